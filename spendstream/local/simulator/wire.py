"""AWS's wire protocols, as far as they are spoken here: JSON by `X-Amz-Target`, and forms with answers in XML."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import parse_qsl
from xml.etree.ElementTree import Element, SubElement, tostring

from spendstream.local.simulator.expression import AwsError, Json

#: Prefix of `X-Amz-Target` → service.
_TARGETS = {
    "AWSInsightsIndexService": "ce", "GraniteServiceVersion20100801": "cloudwatch", "AWSPriceListService": "pricing"
}  # fmt: skip
_SIGNING_NAMES = {"monitoring": "cloudwatch"}
_NAMESPACES = {"sts": "https://sts.amazonaws.com/doc/2011-06-15/", "iam": "https://iam.amazonaws.com/doc/2010-05-08/"}
#: Errors that every service has: what the services of the query protocol call them.
_QUERY_CODES = {
    "ExpiredTokenException": "ExpiredToken", "UnrecognizedClientException": "InvalidClientTokenId",
    "AccessDeniedException": "AccessDenied", "ThrottlingException": "Throttling",
}  # fmt: skip
_FORBIDDEN = frozenset({"ExpiredToken", "InvalidClientTokenId", "AccessDenied"})


@dataclass(frozen=True, slots=True)
class Asked:
    """An operation of a service, as a request names it."""

    service: str
    operation: str
    request: Json

    @property
    def action(self) -> str:
        """What IAM calls it."""
        return f"{self.service}:{self.operation}"


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer on the wire."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def signed_service(headers: Mapping[str, str]) -> str:
    """Return the service that a request's signature names; the empty text where it is not signed."""
    found = re.search(r"Credential=[^,\s]*/([a-z0-9-]+)/aws4_request", headers.get("Authorization") or "")
    return _SIGNING_NAMES.get(found[1], found[1]) if found else ""


def read(headers: Mapping[str, str], body: bytes, signed_service: str) -> Asked:
    """Return what is asked, or raise `AwsError`; `signed_service` is the one that the signature names."""
    target = headers.get("X-Amz-Target") or ""
    if not target and (headers.get("Content-Type") or "").startswith("application/x-www-form-urlencoded"):
        form = dict(parse_qsl(body.decode(), keep_blank_values=True))
        return Asked(signed_service, form.pop("Action", ""), _unfolded(form))
    prefix, _, operation = target.partition(".")
    return Asked(_TARGETS.get(prefix, prefix), operation, parsed(body))


def parsed(body: bytes) -> Json:
    """Return a JSON object."""
    try:
        found = json.loads(body or b"{}")
    except ValueError:
        raise AwsError("SerializationException", "the body is not JSON") from None
    if not isinstance(found, dict):
        raise AwsError("SerializationException", "the body is not a JSON object")
    return found


def _unfolded(form: Mapping[str, str]) -> Json:
    """Return a form with `Name.member.1`, `Name.member.2`, … as lists."""
    found: Json = {}
    for name, value in form.items():
        base, mark, _ = name.partition(".member.")
        if mark:
            found.setdefault(base, []).append(value)
        else:
            found[name] = value
    return found


def answered(asked: Asked, answer: Json) -> Reply:
    """Return the answer as its service writes it."""
    if asked.service not in _NAMESPACES:
        version = "1.0" if asked.service == "cloudwatch" else "1.1"
        return Reply(200, {"Content-Type": f"application/x-amz-json-{version}"}, json.dumps(answer).encode())
    root = Element(f"{asked.operation}Response", xmlns=_NAMESPACES[asked.service])
    _write(SubElement(root, f"{asked.operation}Result"), answer)
    SubElement(SubElement(root, "ResponseMetadata"), "RequestId").text = "simulated"
    return Reply(200, {"Content-Type": "text/xml"}, tostring(root))


def refused(service: str, error: AwsError) -> Reply:
    """Return an error as the service writes it."""
    old = _QUERY_CODES.get(error.code, error.code)
    status = 403 if old in _FORBIDDEN and service != "ce" else error.status
    if service in _NAMESPACES:
        root = Element("ErrorResponse", xmlns=_NAMESPACES[service])
        _write(SubElement(root, "Error"), {"Type": "Sender", "Code": old, "Message": error.message})
        SubElement(root, "RequestId").text = "simulated"
        return Reply(status, {"Content-Type": "text/xml"}, tostring(root))
    headers = {"Content-Type": "application/x-amz-json-1.1"}
    if service == "cloudwatch":
        # It spoke the query protocol once; its clients want the codes of that time.
        headers["x-amzn-query-error"] = f"{old};Sender"
    body = {"__type": error.code, "message": error.message}
    return Reply(status, headers, json.dumps(body).encode())


def _write(parent: Element, value: Json) -> None:
    for name, found in value.items():
        child = SubElement(parent, name)
        if isinstance(found, dict):
            _write(child, found)
        elif isinstance(found, list):
            for one in found:
                _write(child, {"member": one})
        elif isinstance(found, datetime):
            child.text = f"{found:%Y-%m-%dT%H:%M:%SZ}"
        else:
            child.text = str(found).lower() if isinstance(found, bool) else str(found)
