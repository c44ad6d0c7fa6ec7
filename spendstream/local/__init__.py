"""What stands behind the addresses on one machine."""
