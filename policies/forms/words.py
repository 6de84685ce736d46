"""What forms say: a sentence for each kind, and for each field what it is called and what it is for."""

import re
from collections.abc import Mapping
from typing import Final

KIND_SENTENCES: Final[Mapping[str, str]] = {
    "Organisation": "Money, time zone, data classes, and how this installation changes its own rules.",
    "RoleGrant": "What one person may do, in a tenant or everywhere.",
    "Provider": "An account at an upstream: where it is, which secret it takes, how long it may take.",
    "Model": "One model at a provider: what it can, what it may see, what it costs.",
    "Tenant": "A part of the organisation that pays for its calls, with its teams.",
    "UseCase": "An entry of the register of what AI is used for. No call without one.",
    "Permission": "A rule: permit or forbid calls, models, tools or data, on a condition.",
    "Route": "What callers name as their model: a use case, and how its answer is made.",
    "Budget": "How much may be spent in a period, and what happens then.",
    "RateLimit": "How fast a team, a key or everybody may call.",
    "EscalationRule": "When a person must look before anything goes on.",
    "ReviewQueue": "Where held calls wait, who looks at them, and how soon.",
    "Validator": "A check of an answer before the caller sees it.",
    "Tool": "Something that a model may call.",
    "DataSource": "Something that a model may be shown.",
    "Exception": "Lifts a soft rule or raises a budget, for somebody, until a day.",
    "PolicyTest": "What a decision must be for given facts; every publish runs it.",
    "Notification": "Who is told when something happens.",
}
LABELS: Final[Mapping[str, str]] = {
    "metadata.tenant": "Belongs to",
    "baseUrl": "Address",
    "upstreamName": "Name at the provider",
    "useCase": "Use case",
    "costCentre": "Cost centre",
    "on": "On",
    "each": "One for each",
    "Notification.on": "Tells of",
    "retry.on": "Try again after",
    "validation.on": "Validated on",
    "validation.by": "Validated by",
    "onExhausted": "When it is used up",
    "onStoreDown": "When the counter cannot be read",
    "onFailure": "When it fails",
    "onOverdue": "When it is overdue",
    "reviewOn": "Review on",
    "sunsetOn": "Sunset on",
}
HELP: Final[Mapping[str, str]] = {
    "metadata.name": "Letters, digits, dots and dashes. Callers, rules and reports use it.",
    "metadata.tenant": "A tenant's document applies only to that tenant's calls.",
    "metadata.owner": "A member or team: who a denial names.",
    "metadata.description": "For people who read it.",
    "labels": "Free words for conditions and reports.",
    "Organisation.mode": "Four-eyes: nobody publishes alone what needs two. Single-operator flags every publish.",
    "Organisation.dataClasses": "A set, not a ladder. One on each line.",
    "Organisation.approvals": "By kind, or default: how many approve, and with which role.",
    "Organisation.replay": "How many days of decisions a change is tried on.",
    "Organisation.breakGlass": "Who may publish alone, in an emergency, what only tightens. Empty: nobody.",
    "Organisation.unknownHours": "After so many hours an unknown attempt is charged what it held.",
    "Organisation.anomalies": "Above which amount in ten minutes spend may break its pattern, and by how much.",
    "Organisation.retention": "How long prompts and answers are kept, in days, and entries and calls, in months.",
    "Tenant.retention": "Instead of the organisation's. Of entries the longest of all tenants counts.",
    "Organisation.exchangeRates": "What a unit of another currency is worth in ours, from a day on.",
    "Organisation.reviewerHourlyRate": "What an hour of a reviewer costs, for the cost of a finished case. Empty: not counted.",
    "ReviewQueue.reviewerHourlyRate": "Instead of the organisation's, in its currency.",
    "RoleGrant.member": "An e-mail address; the person may be invited later.",
    "credential": "The name under which operators keep the secret, as in secret:openai. Never the secret itself.",
    "Provider.timeouts": "For each attempt; the caller's deadline bounds the call.",
    "Provider.maxConcurrency": "Attempts at once, over all workers.",
    "Provider.terms": "What the contract says.",
    "Model.tier": "The ladder of cost and strength.",
    "Model.capabilities": "chat, tools, json_schema, vision, logprobs. One on each line.",
    "Model.regions": "Where it runs. One on each line.",
    "Model.clearance": "Data classes that it may see. One on each line.",
    "Model.prices": "For a million tokens, from a day on. Without a price nothing is sent.",
    "Model.lifecycle": "From its sunset on, its replacement takes its calls.",
    "Model.capacity": "Bought by the hour, up to its last day: until then tokens cost nothing.",
    "prices.imageInputPerMillion": "Pictures that are asked about, where they do not cost what text does.",
    "prices.audioInputPerMillion": "Sound that is asked about, where it does not cost what text does.",
    "prices.audioOutputPerMillion": "Sound in an answer, where it does not cost what text does.",
    "prices.batchFactor": "What of that flex and batch cost, below 1: where the provider's answer says that it served so.",
    "prices.priorityFactor": "What of that priority costs, 1 or more: held for every call, billed where the answer says so.",
    "prices.tiers": "What all of a request costs whose input is longer than that.",
    "requiredLabels": "Labels that every call must have. A call without one gets the default, or is denied where there is none.",
    "requiredLabels.values": "What is allowed. Empty: anything. One on each line.",
    "requiredLabels.default": "For a call that sends none, and whose key has none.",
    "Tenant.teams": "Teams have keys and members. One on each line.",
    "Tenant.fiscalYearStartsOn": "A day of the year, as in 04-01.",
    "UseCase.owner": "The member or team that answers for it.",
    "UseCase.purpose": "What it is for, in words an auditor understands.",
    "UseCase.dataClasses": "Every call of this use case has these. One on each line.",
    "UseCase.validation": "Who validated it, and until when that holds. Outside of it calls are denied.",
    "Permission.level": "Nothing lifts a hard one; an approved Exception lifts a soft one; an advisory one is only recorded.",
    "Permission.on": "What the rule is about; the condition may read the variables of that.",
    "Permission.when": "True or false. Not set, it always holds.",
    "Permission.message": "Text, made in CEL. The caller reads it.",
    "Permission.obligations": "What must be done to a call that this permits.",
    "obligations.maxOutputTokens": "0 is no limit.",
    "obligations.redact": "Taken out of what models are asked: card, email, iban, phone. One on each line.",
    "obligations.redactAnswers": "The same, taken out of what they answer; the answer is then shown when it is whole.",
    "obligations.stripTools": "Tools that are taken away. One on each line.",
    "obligations.hold": "The answer waits in this queue.",
    "Route.task": "summarization, extraction, qa, classification, reasoning, coding, chat, or a word of yours.",
    "Route.strategy": (
        "single: one model. fallback: the next when one fails. weighted: shared by weight. cascade: cheap first, "
        "stronger until accepted. consensus: several must agree. human: a person."
    ),
    "tiers.accept": "When the answer of this tier is good enough. Not set, it is final.",
    "Route.confidence": "How sure an answer is, for accept conditions.",
    "Route.validators": "Checks of the answer, in order.",
    "Route.retry": "How often one model is tried, and after what.",
    "Route.stream": "What a streamed call gets where the answer must be checked first.",
    "Route.canary": "A share of the calls goes to another model.",
    "Route.shadow": (
        "Models that are asked the same once the caller has an answer. Theirs reaches nobody; it is compared. No shadow run of "
        "calls for several answers (n above 1), of those whose answers are redacted, and of those that wait for a person by rule."
    ),
    "scope": "All that is named must match. Nothing named: everybody.",
    "Budget.each": "One such budget for each.",
    "Budget.limit": "In the organisation's currency.",
    "Budget.hard": "A hard budget refuses; a soft one counts and tells.",
    "Budget.alerts": "Percent of the limit: a mark is told of when as much is spent. One on each line.",
    "Budget.escalateTo": "Where a call waits that it has no money for; a raised limit lets it through.",
    "Budget.owner": "Who is told.",
    "EscalationRule.stage": "Before any model, before the caller sees the answer, before a tool runs, or after a failure.",
    "EscalationRule.queue": "Where the call waits.",
    "ReviewQueue.reviewers": "role:reviewer, or addresses. One on each line.",
    "ReviewQueue.approvals": "How many must agree.",
    "ReviewQueue.sample": "A share of the answers is looked at without any rule.",
    "Validator.schema": "A JSON Schema, as YAML.",
    "Validator.config": "What this type of check needs, as YAML.",
    "Tool.parameters": "A JSON Schema, as YAML.",
    "Exception.permission": "The soft rule that is lifted. Or a budget.",
    "Exception.raiseBy": "By how much the budget is raised.",
    "PolicyTest.given": "The facts of the call.",
    "given.keyLabels": "The key's own labels.",
    "given.run": "What the calls of the same run came to before.",
    "given.budget": "The share used of the fullest budget of the call: 0.95 is 95 %.",
    "given.stops": "Kill switches that are on. One of everything names nothing.",
    "request.needs": "What the model must be able to do. One on each line.",
    "PolicyTest.expect": "What must come out.",
    "expect.determiningRules": "These must be among the rules that determined it. One on each line.",
    "expect.models": "The plan, in order. One on each line.",
    "expect.modelsNever": "These may not be in the plan. One on each line.",
    "Notification.on": "A tenant's Notification tells of that tenant alone, the organisation's of all.",
    "Notification.to": "An e-mail address, or a webhook with the secret that signs it.",
}
_UNITS: Final[Mapping[str, str]] = {
    "connectSeconds": "Connect, seconds",
    "firstTokenSeconds": "First token, seconds",
    "stallSeconds": "Stall, seconds",
    "totalSeconds": "Total, seconds",
    "backoffSeconds": "Pause, seconds",
    "inputPerMillion": "Input",
    "cachedInputPerMillion": "Cached input",
    "cacheWritePerMillion": "Cache write",
    "outputPerMillion": "Output",
    "dueMinutes": "Due in minutes",
    "unknownHours": "Unknown for, hours",
    "reviewerHourlyRate": "A reviewer's hour",
    "aboveInputTokens": "Above input tokens",
}


def label_of(kind: str, path: str) -> str:
    """What a field is called: `dataClasses` is "Data classes"."""
    found = _found(LABELS, kind, path)
    if found:
        return found
    name = path.rpartition(".")[2]
    if name in _UNITS:
        return _UNITS[name]
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    return words[:1].upper() + words[1:].lower()


def help_of(kind: str, path: str) -> str:
    """What a field is for; empty where nobody wrote it."""
    return _found(HELP, kind, path)


def _found(table: Mapping[str, str], kind: str, path: str) -> str:
    inner = path.removeprefix("spec.")
    parts = inner.split(".")
    for key in (f"{kind}.{inner}", ".".join(parts[-2:]), parts[-1]):
        if key in table:
            return table[key]
    return ""
