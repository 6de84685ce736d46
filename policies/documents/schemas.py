"""JSON Schema as validators use it: no network, and regular expressions that are linear in their text."""

import jsonschema_rs

from policies.documents.reading import Json

_MOST_CHARACTERS = 300


def validator_of(schema: dict[str, Json]) -> jsonschema_rs.Validator:
    """The compiled schema. Raises jsonschema_rs.ValidationError where it is none, or points outside itself."""
    # INVARIANT: `offline`: a document never makes a process open a connection
    return jsonschema_rs.validator_for(
        schema, offline=True, pattern_options=jsonschema_rs.RegexOptions()
    )


def schema_problem(schema: dict[str, Json]) -> str:
    """Why it is no schema, or nothing."""
    try:
        validator_of(schema)
    except (jsonschema_rs.ValidationError, ValueError) as error:
        return f"is no JSON Schema: {str(error).splitlines()[0][:_MOST_CHARACTERS]}"
    return ""
