package main

import "net"

// nobodysHome is an address at which nobody listens, as the private one is that a phone behind a
// router tells the world outside.
var nobodysHome = net.IPv4(127, 0, 0, 250)

// toldAddress is where our description says that audio should be sent.
func (c *call) toldAddress() *net.UDPAddr {
	local := c.stream.local()
	if c.b.MediaElsewhere {
		return &net.UDPAddr{IP: nobodysHome, Port: local.Port}
	}
	return local
}
