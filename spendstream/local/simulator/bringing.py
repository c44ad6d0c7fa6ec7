"""Lines that an incident brings: a new service, a forgotten resource, and what strangers run with leaked keys."""

from decimal import Decimal

from spendstream.local.simulator.catalogue import COST_SCALE, PREFIXES, QUANTITY_SCALE, REGIONS, UNUSED_REGIONS
from spendstream.local.simulator.incidents import Incident
from spendstream.local.simulator.series import Series, hashed

#: The service that a new one is, where its scope names none.
HOSTED = "Amazon SageMaker"
_EC2 = "Amazon Elastic Compute Cloud - Compute"
#: (service, usage type, operation, unit, dollars, parts in a hundred of the incident's size)
_BROUGHT = {
    "new_service": (
        (HOSTED, "Host:ml.m5.xlarge", "RunInstance", "Hrs", "0.23", 80),
        (HOSTED, "Host:VolumeUsage.gp3", "RunInstance", "GB-Mo", "0.14", 20),
    ),
    "forgotten_resource": ((_EC2, "BoxUsage:r7g.24xlarge", "RunInstances", "Hrs", "5.1408", 100),),
    "leaked_keys": (
        (_EC2, "BoxUsage:c7g.24xlarge", "RunInstances", "Hrs", "3.48", 60),
        (_EC2, "BoxUsage:g5.24xlarge", "RunInstances", "Hrs", "8.144", 40),
    ),
}


def brought(incident: Incident, account: str) -> list[Series]:
    """Return the series of usage that an incident brings; its scope says where, `account` where it does not."""
    scope = incident.scope
    at_home = incident.kind != "leaked_keys"
    region = scope.region or (REGIONS[0] if at_home else UNUSED_REGIONS[0])
    found = []
    for service, usage_type, operation, unit, dollars, share in _BROUGHT[incident.kind]:
        price = int(Decimal(dollars) * COST_SCALE)
        cost = int(Decimal(repr(incident.size)) * COST_SCALE) * share // 100
        named = "" if at_home and incident.kind == "new_service" else "i-0{:016x}"
        resource = named and (scope.resource or named.format(hashed(incident.id, usage_type)))
        alone = scope.usage_type if len(_BROUGHT[incident.kind]) == 1 else ""
        found.append(
            Series(
                scope.account or account,
                scope.service or service,
                region,
                alone or PREFIXES.get(region, f"{region}-") + usage_type,
                operation,
                "Usage",
                unit,
                price,
                scope.tags,
                cost * QUANTITY_SCALE // (24 * price),
                resource=resource,
            )
        )
    return found
