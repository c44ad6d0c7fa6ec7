"""What the simulated organisation can buy: usage types with price, usual use, season and lateness, and regions."""

from decimal import Decimal
from typing import NamedTuple

import numpy as np

#: A quantity of 1 unit, and the number of cost units in 1 of the currency.
QUANTITY_SCALE = 10**4
COST_SCALE = 10**10

REGIONS = ("us-east-1", "eu-central-1", "us-west-2", "ap-south-1")
#: Regions in which the organisation has nothing, for who found a key of it.
UNUSED_REGIONS = ("sa-east-1", "ap-northeast-3", "eu-north-1")
#: What usage types begin with in a region.
PREFIXES = {
    "us-east-1": "", "eu-central-1": "EUC1-", "us-west-2": "USW2-", "ap-south-1": "APS3-",
    "sa-east-1": "SAE1-", "ap-northeast-3": "APN3-", "eu-north-1": "EUN1-",
}  # fmt: skip
TEAMS = ("checkout", "search", "data", "platform")
#: Cost category `Unit`: the values of the tag `team` that belong to each of its values.
COST_CATEGORIES = {"Unit": {"checkout": "Product", "search": "Product", "data": "Data", "platform": "Shared"}}

#: Share of the usual use in each hour of a day, and on each day of a week from Monday.
BY_HOUR = np.array([5, 4, 4, 4, 5, 6, 8, 10, 12, 14, 15, 15, 14, 15, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6]) / 10
BY_WEEKDAY = (1.04, 1.05, 1.05, 1.04, 1.0, 0.9, 0.88)


class Entry(NamedTuple):
    """A usage type: dollars a unit, units an hour of a usual account, and how it is used and told.

    `by_hour` follows the hours of day and the days of the week; `month_end` rises at the end of a month; `whole` counts
    in whole units; `curve` is one of `completeness.CURVES`; `named` is the form of the names of its resources.
    """

    service: str
    usage_type: str
    operation: str
    unit: str
    dollars: str
    mean: int
    by_hour: bool = False
    curve: str = "usual"
    resources: int = 1
    named: str = "resource-{:016x}"
    month_end: bool = False
    whole: bool = False

    @property
    def price(self) -> int:
        """The price of a unit in 10⁻¹⁰."""
        return int(Decimal(self.dollars) * COST_SCALE)


_EC2 = "Amazon Elastic Compute Cloud - Compute"
_OTHER = "EC2 - Other"
_S3 = "Amazon Simple Storage Service"

CATALOGUE: tuple[Entry, ...] = (
    Entry(
        _EC2, "BoxUsage:m7g.large", "RunInstances", "Hrs", "0.0816", 40, by_hour=True, resources=12, named="i-0{:016x}"
    ),
    Entry(
        _EC2, "BoxUsage:c7g.xlarge", "RunInstances", "Hrs", "0.145", 12, month_end=True, resources=6, named="i-1{:016x}"
    ),
    Entry(_OTHER, "EBS:VolumeUsage.gp3", "CreateVolume-Gp3", "GB-Mo", "0.08", 6, resources=8, named="vol-0{:016x}"),
    Entry(_OTHER, "NatGateway-Bytes", "NatGateway", "GB", "0.045", 30, by_hour=True, resources=2, named="nat-0{:016x}"),
    Entry(_OTHER, "NatGateway-Hours", "NatGateway", "Hrs", "0.045", 3, resources=2, named="nat-0{:016x}"),
    Entry(_OTHER, "DataTransfer-Regional-Bytes", "InterZone", "GB", "0.01", 20, by_hour=True, curve="provisional"),
    Entry(
        _S3,
        "TimedStorage-ByteHrs",
        "StandardStorage",
        "GB-Mo",
        "0.023",
        30,
        curve="slow",
        resources=3,
        named="bucket-{:016x}",
    ),
    Entry(
        _S3,
        "Requests-Tier1",
        "PutObject",
        "Requests",
        "0.000005",
        20_000,
        by_hour=True,
        whole=True,
        resources=3,
        named="bucket-{:016x}",
    ),
    Entry(
        "Amazon Relational Database Service",
        "InstanceUsage:db.r7g.large",
        "CreateDBInstance",
        "Hrs",
        "0.239",
        8,
        resources=4,
        named="db-{:016x}",
    ),
    Entry(
        "AWS Lambda",
        "Lambda-GB-Second",
        "Invoke",
        "Lambda-GB-Second",
        "0.0000166667",
        60_000,
        by_hour=True,
        curve="fast",
        resources=4,
        named="function-{:016x}",
    ),
    Entry(
        "AWS Lambda",
        "Request",
        "Invoke",
        "Requests",
        "0.0000002",
        150_000,
        by_hour=True,
        curve="fast",
        resources=4,
        named="function-{:016x}",
        whole=True,
    ),
    Entry(
        "Amazon DynamoDB",
        "WriteRequestUnits",
        "PayPerRequestThroughput",
        "WriteRequestUnits",
        "0.000000625",
        400_000,
        by_hour=True,
        curve="fast",
        resources=3,
        named="table-{:016x}",
        whole=True,
    ),
    Entry(
        "Amazon DynamoDB",
        "ReadRequestUnits",
        "PayPerRequestThroughput",
        "ReadRequestUnits",
        "0.000000125",
        900_000,
        by_hour=True,
        curve="fast",
        resources=3,
        named="table-{:016x}",
        whole=True,
    ),
    Entry(
        "Amazon Elastic Load Balancing",
        "LCUUsage",
        "LoadBalancing:Application",
        "LCU-Hrs",
        "0.008",
        50,
        by_hour=True,
        resources=3,
        named="app/balancer/{:016x}",
    ),
    Entry("Amazon CloudFront", "DataTransfer-Out-Bytes", "GET", "GB", "0.085", 25, by_hour=True, curve="slow"),
    Entry(
        "AmazonCloudWatch",
        "DataProcessing-Bytes",
        "PutLogEvents",
        "GB",
        "0.5",
        2,
        by_hour=True,
        resources=3,
        named="log-group:{:016x}",
    ),
    Entry(
        "Amazon ElastiCache",
        "NodeUsage:cache.r7g.large",
        "CreateCacheCluster",
        "Hrs",
        "0.219",
        4,
        resources=2,
        named="cache-{:016x}",
    ),
    Entry(
        "Amazon Elastic Container Service",
        "Fargate-vCPU-Hours:perCPU",
        "FargateTask",
        "hours",
        "0.04048",
        25,
        by_hour=True,
        curve="fast",
        resources=5,
        named="task/{:016x}",
    ),
    Entry(
        "AWS Key Management Service",
        "KMS-Requests",
        "Decrypt",
        "Requests",
        "0.000003",
        20_000,
        by_hour=True,
        whole=True,
    ),
    Entry(
        "Amazon Simple Queue Service",
        "Requests-Tier1",
        "Send",
        "Requests",
        "0.0000004",
        900_000,
        by_hour=True,
        whole=True,
        resources=2,
        named="queue-{:016x}",
    ),
    Entry("Amazon Kinesis", "Storage-ShardHour", "shardHourStorage", "ShardHour", "0.015", 12, month_end=True),
)

#: What a third party sells.
MARKETPLACE = Entry("Northwind Log Analytics", "MP:SearchUnits", "Subscription", "Units", "0.12", 9, curve="slow")
#: Service codes as the Price List has them, for the services that it is asked for.
SERVICE_CODES = {
    _EC2: "AmazonEC2", _OTHER: "AmazonEC2", _S3: "AmazonS3", "Amazon Relational Database Service": "AmazonRDS",
    "AWS Lambda": "AWSLambda", "Amazon DynamoDB": "AmazonDynamoDB", "Amazon Elastic Load Balancing": "AWSELB",
    "Amazon CloudFront": "AmazonCloudFront", "AmazonCloudWatch": "AmazonCloudWatch",
    "Amazon ElastiCache": "AmazonElastiCache", "Amazon Elastic Container Service": "AmazonECS",
    "AWS Key Management Service": "awskms", "Amazon Simple Queue Service": "AWSQueueService",
    "Amazon Kinesis": "AmazonKinesis",
}  # fmt: skip
#: Names of all services, in the order in which an organisation of `n` services takes them.
SERVICES = tuple(dict.fromkeys(entry.service for entry in CATALOGUE))
