"""The API's description in OpenAPI 3.1, and a page to try it; both made from the parameters themselves."""

import html
from typing import Any

from api.costs import CostQuery
from spendstream import __version__

_TEXT: dict[str, Any] = {"type": "string"}
_ROLLING = ["level", "series", "window", "currency", "run", "limit", "cursor"]
_PATHS: dict[str, tuple[str, list[str]]] = {
    "/v1/rolling": ("Rolling windows: 7 and 30 days, month, quarter, year to date.", _ROLLING),
    "/v1/runs": ("Replays, and the live run.", []),
    "/v1/freshness": ("What was read when, and how final it is.", []),
    "/v1/reconciliation": ("What the sources say against what is held.", []),
    "/v1/dimensions": ("The dimensions to group and filter by.", []),
    "/v1/dimensions/{name}/values": ("The values of a dimension.", ["prefix", "limit"]),
    "/healthz": ("Whether the process lives.", []),
    "/readyz": ("Whether ClickHouse answers.", []),
    "/metrics": ("Metrics in Prometheus' format.", []),
}


def _parameter(name: str, schema: dict[str, Any], where: str = "query", *, required: bool = False) -> dict[str, Any]:
    description = schema.pop("description", name)
    return {"name": name, "in": where, "required": required, "description": description, "schema": schema}


def _operation(summary: str, parameters: list[dict[str, Any]]) -> dict[str, Any]:
    problem = {"description": "What is wrong, and what to change", "content": {"application/problem+json": {}}}
    responses = {"200": {"description": "The answer"}, "default": problem}
    return {"get": {"summary": summary, "parameters": parameters, "responses": responses}}


def document() -> dict[str, Any]:
    """Return the OpenAPI document."""
    schema = CostQuery.model_json_schema()
    required = set(schema.get("required", ()))
    parameters = []
    for name, own in schema["properties"].items():
        plain = {key: value for key, value in own.items() if key != "title"}
        if name == "group_by":
            plain = {**_TEXT, "description": own["description"]}
        parameters.append(_parameter(name, plain, required=name in required))
    summary = "Costs by period and dimension. `filter.DIMENSION=a,b` keeps, `!a,b` leaves out."
    paths = {"/v1/costs": _operation(summary, parameters)}
    for path, (summary, names) in _PATHS.items():
        inner = [_parameter(name, dict(_TEXT)) for name in names]
        if "{name}" in path:
            inner.insert(0, _parameter("name", dict(_TEXT), "path", required=True))
        paths[path] = _operation(summary, inner)
    return {
        "openapi": "3.1.0",
        "info": {"title": "spendstream", "version": __version__, "description": "What the cloud costs. Money is text."},
        "paths": paths,
    }


def page() -> str:
    """Return a page that lists every path and lets one try it."""
    forms = []
    for path, operations in document()["paths"].items():
        operation = operations["get"]
        fields = "".join(
            f"<label>{html.escape(p['name'])}{' *' if p['required'] else ''}"
            f'<input name="{html.escape(p["name"])}" data-in="{p["in"]}" title="{html.escape(p["description"])}"></label>'
            for p in operation["parameters"]
        )
        forms.append(
            f'<form data-path="{html.escape(path)}"><h2>GET {html.escape(path)}</h2>'
            f"<p>{html.escape(operation['summary'])}</p>{fields}<button>Try</button><pre hidden></pre></form>"
        )
    return _PAGE.replace("FORMS", "\n".join(forms))


_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>spendstream API</title>
<style>
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
form { border: 1px solid #8884; border-radius: 6px; padding: 0 1rem 1rem; margin: 1rem 0 }
h2 { font: 600 1rem ui-monospace, monospace }
label { display: inline-block; margin: 0 .8rem .5rem 0; font-size: .85rem }
input { display: block; padding: .25rem } pre { overflow: auto; max-height: 30rem }
</style>
<h1>spendstream API</h1>
<p>The description for machines: <a href="/openapi.json">openapi.json</a>. Where a token is set, give it here:
<input id="token" type="password" aria-label="token"></p>
FORMS
<script>
for (const form of document.forms) form.addEventListener("submit", async (event) => {
  event.preventDefault();
  let path = form.dataset.path; const query = new URLSearchParams();
  for (const field of form.querySelectorAll("input")) {
    if (!field.value) continue;
    if (field.dataset.in === "path") path = path.replace(`{${field.name}}`, encodeURIComponent(field.value));
    else query.set(field.name, field.value);
  }
  const token = document.getElementById("token").value;
  const answer = await fetch(`${path}?${query}`, { headers: token ? { Authorization: `Bearer ${token}` } : {} });
  const text = await answer.text(); const out = form.querySelector("pre"); out.hidden = false;
  try { out.textContent = `${answer.status}\\n${JSON.stringify(JSON.parse(text), null, 2)}`; }
  catch { out.textContent = `${answer.status}\\n${text}`; }
});
</script>
</html>
"""
