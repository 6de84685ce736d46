"""What import-linter cannot see: arrows hidden in strings, who loads what at run time, foreign keys across apps."""

import ast
import os
import subprocess
import sys

import pytest
from django.apps import apps
from django.db import models

from tests.architecture.source import ROOT, imports, modules

RANK = {"audit": 1, "policies": 2, "routing": 3, "controlplane": 4}
SDKS = {"openai", "anthropic"}
PURE = (
    "controlplane.kernel.errors",
    "controlplane.kernel.ids",
    "controlplane.kernel.money",
    "controlplane.kernel.principal",
    "audit.merkle.canonical",
    "audit.merkle.proof",
    "audit.merkle.tree",
    "policies.documents.parse",
    "policies.engine.compile",
    "policies.engine.decide",
    "policies.engine.explain",
    "policies.engine.facts",
    "policies.forms.form",
    "routing.exchange",
    "routing.dialects.registry",
    "routing.simulator.model",
)
FRAMEWORKS = ("django", "celery", "kombu", "redis", "psycopg", "openai", "anthropic")
SHOW = "import sys; print(' '.join(sorted(m for m in {names!r} if m in sys.modules)))"


def loaded_by(code: str, names: tuple[str, ...], **environment: str) -> list[str]:
    """Which of `names` are loaded after `code` ran in a process of its own."""
    told = subprocess.run(
        [sys.executable, "-c", f"{code}\n{SHOW.format(names=names)}"],
        cwd=ROOT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "controlplane.settings", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    return told.stdout.split()


def test_the_core_loads_without_any_framework() -> None:
    code = "\n".join(f"import {name}" for name in PURE)
    assert loaded_by(code, (*FRAMEWORKS, "cel_expr_python")) == []


def test_the_web_process_loads_no_sdk_no_celery_and_no_checker() -> None:
    names = (
        "openai",
        "anthropic",
        "boto3",
        "celery",
        "cel_expr_python",
        "policies.engine.check",
        "routing.execution",
        "routing.providers",
    )
    code = "import controlplane.asgi\nfrom django.urls import resolve\nresolve('/healthz')"
    assert loaded_by(code, names, MANDATE_ROLE="web") == []


def test_a_calls_worker_never_loads_the_checker() -> None:
    code = "import django\ndjango.setup()\nimport controlplane.worker_half, routing.tasks"
    assert (
        loaded_by(code, ("boto3", "cel_expr_python", "policies.engine.check"), MANDATE_ROLE="calls")
        == []
    )


def test_only_providers_know_the_sdks() -> None:
    found = {
        name
        for name, tree in modules().items()
        if SDKS & {target.partition(".")[0] for target in imports(tree)}
    }
    assert {name for name in found if not name.startswith("routing.providers")} == set()
    assert found, "the test looks at nothing"


def test_only_the_check_loads_the_cel_checker() -> None:
    found = {
        name for name, tree in modules().items() if "cel_expr_python" in " ".join(imports(tree))
    }
    assert found == {"policies.engine.check"}


def test_no_foreign_key_points_to_the_left() -> None:
    wrong = [
        f"{table._meta.label}.{field.name} -> {field.related_model._meta.label}"
        for table in apps.get_models()
        for field in table._meta.get_fields()
        if isinstance(field, models.ForeignKey | models.OneToOneField)
        and RANK.get(field.related_model._meta.app_label, 0) > RANK.get(table._meta.app_label, 9)
    ]
    assert wrong == []


def test_audit_has_no_foreign_key_and_others_are_hidden_across_apps() -> None:
    for table in apps.get_models():
        app = table._meta.app_label
        for field in table._meta.concrete_fields:
            if not isinstance(field, models.ForeignKey) or app not in RANK:
                continue
            assert app != "audit", f"{table._meta.label}.{field.name}"
            if field.related_model._meta.app_label != app:
                assert field.remote_field.related_name == "+", f"{table._meta.label}.{field.name}"


def test_foreign_keys_are_not_given_as_strings_across_apps() -> None:
    wrong = []
    for name, tree in modules().items():
        for node in ast.walk(tree):
            if not (
                isinstance(node, ast.Call)
                and _called(node) in {"ForeignKey", "OneToOneField", "ManyToManyField"}
            ):
                continue
            target = node.args[0] if node.args else None
            if isinstance(target, ast.Constant) and "." in str(target.value):
                wrong.append(f"{name}: {target.value}")
    assert wrong == []


def test_no_model_is_fetched_by_a_string() -> None:
    found = [
        name
        for name, tree in modules().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and _called(node) in {"get_model", "import_string", "import_module"}
    ]
    # a provider of keys and a register in a bucket are loaded where they are named: their SDK is an extra
    assert found == ["audit.register.choose", "audit.vault.opening"]


def test_no_signals_but_celerys_own() -> None:
    found = {
        name
        for name, tree in modules().items()
        for target in imports(tree)
        if target.startswith(("django.dispatch", "django.db.models.signals", "django.core.signals"))
    }
    assert found <= {"policies.identity.history"}, "only simple-history's own receivers may listen"


@pytest.mark.parametrize("name", sorted(RANK))
def test_every_package_says_what_it_owns(name: str) -> None:
    silent = [
        module
        for module, tree in modules().items()
        if module.partition(".")[0] == name and ast.get_docstring(tree) is None and tree.body
    ]
    assert silent == []


def _called(node: ast.Call) -> str:
    if isinstance(node.func, ast.Attribute):
        return node.func.attr
    return node.func.id if isinstance(node.func, ast.Name) else ""
