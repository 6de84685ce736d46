"""How actors and messages are written for people."""


def person(actor: str) -> str:
    """`ada@acme.example` of `member:ada@acme.example`; `the system` for jobs; the command line is named."""
    kind, _, name = actor.partition(":")
    if kind == "job":
        return "the system"
    if kind == "cli":
        return f"{name} (command line)"
    return name or actor


def sentence(message: str) -> str:
    """An error's message as a sentence of its own."""
    text = message[:1].upper() + message[1:]
    return text if text.endswith((".", "!", "?")) else f"{text}."
