"""Which usage types CloudWatch meters, by which metric, and how one follows from the other."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from spendstream.local.simulator.catalogue import PREFIXES
from spendstream.local.simulator.series import Series

GIB = 2**30
#: A month of storage, in days.
MONTH_DAYS = 30.4375
#: A point is told so long after it ended, and is whole so long after.
TOLD_AFTER = timedelta(minutes=2)
WHOLE_AFTER = timedelta(minutes=12)


@dataclass(frozen=True, slots=True)
class Meter:
    """A metric that follows from the usage of a usage type.

    Attributes
    ----------
    usage_type
        Without the region's prefix; ending with a colon, what follows is the value of the dimension.
    dimension
        Name of the dimension that tells resources apart, or types where the usage type names them.
    how
        `sum` (of the usage in the period), `samples` (one a minute for each running hour; the value is a percentage),
        `rate` (usage of an hour, as an average), `stored` (once a day).
    factor
        Units of the metric for one unit of usage.
    """

    namespace: str
    metric: str
    unit: str
    usage_type: str
    dimension: str
    how: str
    factor: float = 1.0

    def measures(self, series: Series) -> bool:
        """Say whether the metric follows from the usage of `series`."""
        base = series.usage_type.removeprefix(PREFIXES.get(series.region, ""))
        kind = base.partition(":")[0] + ":" if self.usage_type.endswith(":") else base
        return kind == self.usage_type and series.billing_entity == "AWS"


METERS = (
    Meter("AWS/EC2", "CPUUtilization", "Percent", "BoxUsage:", "InstanceType", "samples"),
    Meter("AWS/EC2", "CPUUtilization", "Percent", "BoxUsage:", "InstanceId", "samples"),
    Meter("AWS/EC2", "NetworkOut", "Bytes", "BoxUsage:", "InstanceId", "sum", 0.2 * GIB),
    Meter("AWS/NATGateway", "BytesInFromSource", "Bytes", "NatGateway-Bytes", "NatGatewayId", "sum", 0.25 * GIB),
    Meter("AWS/NATGateway", "BytesInFromDestination", "Bytes", "NatGateway-Bytes", "NatGatewayId", "sum", 0.75 * GIB),
    Meter("AWS/NATGateway", "BytesOutToDestination", "Bytes", "NatGateway-Bytes", "NatGatewayId", "sum", 0.25 * GIB),
    Meter("AWS/NATGateway", "ActiveConnectionCount", "Count", "NatGateway-Hours", "NatGatewayId", "samples"),
    Meter("AWS/Lambda", "Invocations", "Count", "Request", "FunctionName", "sum"),
    # Of functions with half a GB of memory.
    Meter("AWS/Lambda", "Duration", "Milliseconds", "Lambda-GB-Second", "FunctionName", "sum", 2000.0),
    Meter("AWS/RDS", "CPUUtilization", "Percent", "InstanceUsage:", "DatabaseClass", "samples"),
    Meter("AWS/RDS", "CPUUtilization", "Percent", "InstanceUsage:", "DBInstanceIdentifier", "samples"),
    Meter("AWS/DynamoDB", "ConsumedReadCapacityUnits", "Count", "ReadRequestUnits", "TableName", "sum"),
    Meter("AWS/DynamoDB", "ConsumedWriteCapacityUnits", "Count", "WriteRequestUnits", "TableName", "sum"),
    Meter("AWS/ApplicationELB", "ConsumedLCUs", "Count", "LCUUsage", "LoadBalancer", "rate"),
    Meter("AWS/S3", "BucketSizeBytes", "Bytes", "TimedStorage-ByteHrs", "BucketName", "stored", GIB * MONTH_DAYS),
)


def first_point(series: Series, start: datetime) -> datetime | None:
    """Return when CloudWatch first shows usage that begins at `start`; None where nothing meters it."""
    hows = {meter.how for meter in METERS if meter.measures(series)}
    if not hows:
        return None
    if hows == {"stored"}:
        return start.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1) + TOLD_AFTER
    five = timedelta(minutes=5)
    begun = start - (start - start.replace(hour=0, minute=0, second=0, microsecond=0)) % five
    return begun + five + TOLD_AFTER
