"""How receivers are reached: a file a channel, behind the interface in `alerts.channels.channel`."""
