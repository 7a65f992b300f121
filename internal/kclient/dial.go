package kclient

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"

	"github.com/vicuna-go/vicuna/settings"
)

// dialer returns the dial function of a client: the user's or the plain one, with
// a time-out, TLS on top where it is set, and the watch told before anything else.
// franz-go takes either a dialer or a TLS configuration, not both, which is why
// TLS is spoken here.
func dialer(cfg common, w *watch) settings.DialFunc {
	dial, tlsConfig, timeout := cfg.Dialer(), cfg.TLS(), cfg.DialTimeout()
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		w.dialling()
		dialCtx := ctx
		if timeout > 0 {
			var cancel context.CancelFunc
			dialCtx, cancel = context.WithTimeout(ctx, timeout)
			defer cancel()
		}
		conn, err := dial(dialCtx, network, addr)
		if err == nil && conn == nil {
			err = errors.New("the dialer returned neither a connection nor an error")
		}
		if err == nil && tlsConfig != nil {
			conn, err = handshake(dialCtx, conn, addr, tlsConfig)
		}
		if err == nil {
			return conn, nil
		}
		if dialCtx.Err() != nil && ctx.Err() == nil {
			// Ours, not the caller's: franz-go must not take it for a
			// cancelled request, but go on to the next broker.
			err = os.ErrDeadlineExceeded
		}
		return nil, dialError(network, err)
	}
}

func handshake(ctx context.Context, conn net.Conn, addr string, cfg *tls.Config) (net.Conn, error) {
	if cfg.ServerName == "" {
		host, _, err := net.SplitHostPort(addr)
		if err != nil {
			conn.Close()
			return nil, err
		}
		cfg = cfg.Clone()
		cfg.ServerName = host
	}
	secure := tls.Client(conn, cfg)
	if err := secure.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, err
	}
	return secure, nil
}

// dialError gives an error the form of the standard library's: only by that does
// franz-go know that the network is to blame. Any other error of a dialer would
// fail all buffered records at once, instead of being tried again.
func dialError(network string, err error) error {
	if _, ok := errors.AsType[*net.OpError](err); ok {
		return err
	}
	return &net.OpError{Op: "dial", Net: network, Err: err}
}
