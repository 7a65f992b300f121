package kclient

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl/plain"

	"github.com/vicuna-go/vicuna/internal/testlog"
	"github.com/vicuna-go/vicuna/settings"
)

func TestReach(t *testing.T) {
	k := cluster(t, 1)
	require.NoError(t, Reach(t.Context(), client(t, config(t, k.ListenAddrs()))))
	require.NoError(t, Reach(t.Context(), client(t, config(t, append([]string{closedPort(t)}, k.ListenAddrs()...), testlog.Silent()))), "one is enough")
}

func TestReachNobody(t *testing.T) {
	a, b := closedPort(t), closedPort(t)
	err := Reach(t.Context(), client(t, config(t, []string{a, b}, testlog.Silent())))
	var u *UnreachableError
	require.ErrorAs(t, err, &u)
	require.Equal(t, []string{a, b}, u.Addrs)
	require.ErrorContains(t, err, a)
	require.ErrorContains(t, err, "refused")
}

func TestReachASilentListener(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	cl := client(t, config(t, []string{l.Addr().String()}, testlog.Silent()))

	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	var u *UnreachableError
	start := time.Now()
	require.ErrorAs(t, Reach(ctx, cl), &u)
	require.Less(t, time.Since(start), 5*time.Second, "the context bounds it")

	k := cluster(t, 1)
	ctx, cancel = context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	require.NoError(t, Reach(ctx, client(t, config(t, append([]string{l.Addr().String()}, k.ListenAddrs()...)))), "a silent one leaves time for the next")

	cause := errors.New("enough")
	stopped, stop := context.WithCancelCause(t.Context())
	stop(cause)
	require.ErrorIs(t, Reach(stopped, cl), cause)
}

func TestReachABrokerThatRefuses(t *testing.T) {
	k := cluster(t, 1, kfake.EnableSASL(), kfake.Superuser("PLAIN", "u", "right"))
	login := func(pass string) settings.Option {
		return settings.SASL(plain.Auth{User: "u", Pass: pass}.AsMechanism())
	}
	require.NoError(t, Reach(t.Context(), client(t, config(t, k.ListenAddrs(), testlog.Silent(), login("right")))))

	// kfake hangs up on a wrong password; a real broker says so.
	k.ControlKey(int16(kmsg.SASLAuthenticate), func(req kmsg.Request) (kmsg.Response, error, bool) {
		k.KeepControl()
		resp := req.ResponseKind().(*kmsg.SASLAuthenticateResponse)
		resp.ErrorCode = kerr.SaslAuthenticationFailed.Code
		return resp, nil, true
	})
	err := Reach(t.Context(), client(t, config(t, k.ListenAddrs(), testlog.Silent(), login("wrong"))))
	require.ErrorIs(t, err, kerr.SaslAuthenticationFailed)
	var u *UnreachableError
	require.NotErrorAs(t, err, &u)
	require.NotContains(t, err.Error(), "wrong")
}
