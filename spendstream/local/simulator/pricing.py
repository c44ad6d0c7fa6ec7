"""The Price List's GetProducts: what the organisation's usage types cost on demand, now."""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache

from spendstream.local.simulator.catalogue import COST_SCALE, PREFIXES, SERVICE_CODES
from spendstream.local.simulator.expression import AwsError, Call, Json
from spendstream.local.simulator.organisation import Organisation, decimal_of
from spendstream.local.simulator.paging import opened, page
from spendstream.local.simulator.series import Series, hashed

_MOST = 100
_LOCATIONS = {
    "us-east-1": "US East (N. Virginia)", "eu-central-1": "EU (Frankfurt)", "us-west-2": "US West (Oregon)",
    "ap-south-1": "Asia Pacific (Mumbai)",
}  # fmt: skip
#: What a price list calls the code of the one offer that there is: on demand.
_ON_DEMAND = "JRTCKXETXF"


class Pricing:
    """Answers the Price List's requests from the catalogue of an organisation."""

    def __init__(self, model: Organisation) -> None:
        self._model = model
        self._offers = lru_cache(maxsize=4)(self._listed)

    @property
    def operations(self) -> Mapping[str, Callable[[Call], Json]]:
        """What is answered, by name."""
        return {"GetProducts": self.get_products}

    def get_products(self, call: Call) -> Json:
        """Answer GetProducts: products of a service whose attributes pass all `TERM_MATCH` filters."""
        request = call.request
        service = str(request.get("ServiceCode"))
        if service not in SERVICE_CODES.values():
            raise AwsError("NotFoundException", f"there is no service {service}; use one of {sorted(SERVICE_CODES)}")
        filters = request.get("Filters") or []
        if any(one.get("Type", "TERM_MATCH") != "TERM_MATCH" for one in filters):
            raise AwsError("InvalidParameterException", "only filters of type TERM_MATCH are answered here")
        hour = call.now.replace(minute=0, second=0, microsecond=0)
        found = [
            offer
            for offer in self._offers(hour)
            if offer["serviceCode"] == service
            and all(offer["product"]["attributes"].get(one["Field"]) == one["Value"] for one in filters)
        ]
        offset, _ = opened(request, call.now, token=request.get("NextToken"), code="InvalidNextTokenException")
        size = min(_MOST, int(request.get("MaxResults") or _MOST))
        some, token = page(found, request, offset, size, call.now)
        answer: Json = {"FormatVersion": "aws_v1", "PriceList": [json.dumps(offer) for offer in some]}
        return answer | ({"NextToken": token} if token else {})

    def _listed(self, hour: datetime) -> Sequence[Json]:
        """Return all offers; a usage type has one price, that of the first account that uses it."""
        prices = self._model.prices(hour.date())[:, hour.hour]
        offers: dict[tuple[str, str, str, str], Json] = {}
        for series, price in zip(self._model.series, prices.tolist(), strict=True):
            key = series.service, series.region, series.usage_type, series.operation
            if series.record_type == "Usage" and series.service in SERVICE_CODES and key not in offers:
                offers[key] = _offer(series, price, hour)
        return tuple(offers.values())


def _offer(series: Series, price: int, hour: datetime) -> Json:
    code = SERVICE_CODES[series.service]
    sku = f"{hashed('sku', code, series.region, series.usage_type, series.operation):016X}"
    location = _LOCATIONS.get(series.region, series.region)
    attributes = {
        "servicecode": code, "servicename": series.service, "usagetype": series.usage_type, "location": location,
        "locationType": "AWS Region", "operation": series.operation, "regionCode": series.region,
    }  # fmt: skip
    if series.instance_type != "NoInstanceType":
        attributes |= {"instanceType": series.instance_type, "operatingSystem": "Linux", "tenancy": "Shared"}
    rate = f"{sku}.{_ON_DEMAND}.6YS6EN2CT7"
    dollars = f"{decimal_of(price, COST_SCALE):f}"
    usage_type = series.usage_type.removeprefix(PREFIXES.get(series.region, ""))
    tier = {
        "unit": series.unit, "endRange": "Inf", "beginRange": "0", "rateCode": rate, "appliesTo": [],
        "description": f"${dollars} per {series.unit} of {usage_type} in {location}", "pricePerUnit": {"USD": dollars},
    }  # fmt: skip
    term = {
        "priceDimensions": {rate: tier}, "sku": sku, "offerTermCode": _ON_DEMAND, "termAttributes": {},
        "effectiveDate": f"{hour:%Y-%m-01T00:00:00Z}",
    }  # fmt: skip
    return {
        "product": {"productFamily": "Simulated", "attributes": attributes, "sku": sku},
        "serviceCode": code,
        "terms": {"OnDemand": {f"{sku}.{_ON_DEMAND}": term}},
        "version": f"{hour:%Y%m%d%H}",
        "publicationDate": f"{hour:%Y-%m-%dT%H:%M:%SZ}",
    }
