"""The OpenAPI page: what `reading` reads, said so that a machine can check it, with examples."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from ...catalog.listing import MAX_PHOTOS
from .fields import EXAMPLE
from .limits import Limits
from .problems import KINDS, MEDIA_TYPE, Problem
from .reading import FORM, JSON
from .schemas import ListingIn, SearchIn
from .shopify import PATH as SHOPIFY_PATH

DESCRIPTION = (
    "A listing goes in (photo, title, description), a calibrated verdict comes out. What is wrong "
    "with a listing is its verdict (`rejected`); what is wrong with a request is a problem "
    "(RFC 9457)."
)


def listing_body() -> dict[str, Any]:
    """Describe one listing, as JSON and as a form."""
    examples = {
        "photo and title": {"value": EXAMPLE},
        "title only": {"value": {"title": "Blue cotton bath towel"}},
    }
    return _object_body(ListingIn, examples)


def search_body() -> dict[str, Any]:
    """Describe what to search by, as JSON and as a form."""
    by_both = {name: EXAMPLE[name] for name in ("title", "photo")}
    examples = {
        "photo and words": {"value": {**by_both, "k": 5}},
        "words": {"value": {"title": "Blue cotton bath towel"}},
    }
    return _object_body(SearchIn, examples)


def _object_body(model: type[BaseModel], examples: dict[str, Any]) -> dict[str, Any]:
    as_json = model.model_json_schema()
    file: dict[str, Any] = {"type": "string", "format": "binary"}
    if model is ListingIn:
        file = {"type": "array", "items": file, "minItems": 1, "maxItems": MAX_PHOTOS}
    properties = {**as_json["properties"], "photo": file}
    for name in {"title", "description"} & properties.keys():
        text = properties[name].get("anyOf", [properties[name]])[0]
        properties[name] = {"type": "string", "maxLength": text["maxLength"]}
    as_form = {**as_json, "properties": properties}
    content = {JSON: {"schema": as_json, "examples": examples}, FORM: {"schema": as_form}}
    return {"requestBody": {"required": True, "content": content}}


def batch_body() -> dict[str, Any]:
    """Describe many listings: a bad item is answered, not refused, so an item may be anything.

    How many is the server's setting: `describe` puts it in.
    """
    anything = {"description": "Anything else gets an error of its own."}
    schema = {
        "type": "object",
        "additionalProperties": False,
        "required": ["listings"],
        "properties": {
            "listings": {
                "type": "array",
                "minItems": 1,
                "maxItems": Limits.max_items,
                "items": {"anyOf": [ListingIn.model_json_schema(), anything]},
            }
        },
    }
    listings = [EXAMPLE, {"listing_id": "towel-1", "title": "Blue cotton bath towel"}]
    examples = {"two listings": {"value": {"listings": listings}}}
    content = {JSON: {"schema": schema, "examples": examples}}
    return {"requestBody": {"required": True, "content": content}}


def query(options: type[BaseModel]) -> dict[str, Any]:
    """Describe what may stand in the address after ``?``."""
    fields = options.model_json_schema()["properties"]
    return {
        "parameters": [
            {"name": name, "in": "query", "required": False, "schema": _text_schema(field)}
            for name, field in fields.items()
        ]
    }


def _text_schema(field: dict[str, Any]) -> dict[str, Any]:
    """Leave null out, which an address has no way to say."""
    options = [kind for kind in field.pop("anyOf", ()) if kind != {"type": "null"}]
    return {**(options[0] if options else {}), **{k: v for k, v in field.items() if v is not None}}


def event_body() -> dict[str, Any]:
    """Describe an event: a product, known by the headers that Shopify signs it with."""
    names = ("X-Shopify-Hmac-Sha256", "X-Shopify-Topic", "X-Shopify-Event-Id")
    headers = [{"name": name, "in": "header", "schema": {"type": "string"}} for name in names]
    schema = {"type": "object", "description": "A product, as Shopify's Admin API writes it."}
    body = {"required": True, "content": {JSON: {"schema": schema}}}
    return {"parameters": headers, "requestBody": body}


def documented(*kinds: str) -> dict[int | str, dict[str, Any]]:
    """Describe which problems a route answers with."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    responses: dict[int | str, dict[str, Any]] = {}
    for kind in kinds:
        status, title = KINDS[kind]
        known = responses.get(status, {}).get("description")
        responses[status] = {
            "description": f"{known}; {title.lower()}" if known else title,
            "content": content,
        }
    return responses


def describe(app: FastAPI, limits: Limits, *, needs_key: bool) -> dict[str, Any]:
    """Write the page, with the limit, the problems and the key that FastAPI doesn't know of."""
    page: dict[str, Any] = get_openapi(
        title="Shelfsure", version=app.version, description=DESCRIPTION, routes=app.routes
    )
    for path in ("/v1/verdicts", "/v1/duplicates"):
        body = page["paths"][path]["post"]["requestBody"]["content"][JSON]
        body["schema"]["properties"]["listings"]["maxItems"] = limits.max_items
    components = page.setdefault("components", {})
    reference = "#/components/schemas/{model}"
    problem = Problem.model_json_schema(ref_template=reference)
    components.setdefault("schemas", {}).update({**problem.pop("$defs", {}), "Problem": problem})
    if needs_key:
        components["securitySchemes"] = {
            "bearer": {"type": "http", "scheme": "bearer"},
            "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
        }
        for path, operations in page["paths"].items():
            for operation in operations.values():
                open_ = path in {"/healthz", "/readyz", SHOPIFY_PATH}
                operation["security"] = [] if open_ else [{"bearer": []}, {"key": []}]
    return page
