"""The core decides without a framework, and without the CEL checker, which only publishing loads."""

import subprocess
import sys

CORE = (
    "policies.documents.parse, policies.documents.whole, policies.engine.compile, policies.engine.decide, "
    "policies.engine.explain, policies.engine.facts, policies.engine.pricing, policies.engine.schema"
)


def loaded(imports: str) -> set[str]:
    code = f"import sys, {imports}; print(chr(10).join(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    return {name.split(".")[0] for name in done.stdout.split()}


def test_the_core_loads_no_framework_no_sdk_and_no_checker() -> None:
    assert not loaded(CORE) & {
        "django",
        "celery",
        "openai",
        "anthropic",
        "redis",
        "psycopg",
        "cel_expr_python",
    }


def test_only_check_loads_the_checker() -> None:
    assert "cel_expr_python" in loaded("policies.engine.check")
    assert not loaded("policies.engine.check") & {"django", "celery", "openai", "anthropic"}
