package kafkatest

import "github.com/vicuna-go/vicuna/settings"

// Bootstrap returns the broker's addresses as a setting for producers and
// consumers.
func (k *Broker) Bootstrap() settings.Option { return settings.Bootstrap(k.addrs...) }

// Dialer returns how to reach the broker as a setting for producers and
// consumers: the virtual network in a bubble, and nothing special on TCP. A test
// that gives both Bootstrap and Dialer runs on either.
func (k *Broker) Dialer() settings.Option {
	if k.virtual == nil {
		return settings.ClientOptions() // none: the settings stay as they are
	}
	return settings.Dialer(k.virtual.DialContext)
}
