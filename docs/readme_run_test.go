package docs_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/kafkatest"
	"github.com/vicuna-go/vicuna/serde"
)

// The code of the README does what it says.
func TestReadme(t *testing.T) {
	k := kafkatest.Start(t, kafkatest.Topics(4, "orders", "invoices", "greetings"))
	addr := k.Addrs()[0]
	orders := []Order{{Customer: "ada", Amount: 10}, {Customer: "bela", Trial: true}, {Customer: "chidi", Amount: 7}}

	ch := make(chan Order, len(orders))
	for _, o := range orders {
		ch <- o
	}
	close(ch)
	require.NoError(t, ship(t.Context(), addr, ch))
	require.Len(t, kafkatest.ReadAll(t, k, "orders"), 2)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, ship(ctx, addr, make(chan Order)), "drained")

	var calls atomic.Int32
	running, drain := context.WithCancel(t.Context())
	billed := make(chan error, 1)
	go func() {
		billed <- bill(running, addr, func(_ context.Context, o Order) (float64, error) {
			if calls.Add(1) == 1 {
				return 0, errors.New("not now")
			}
			return o.Amount / 5, nil
		})
	}()
	got := kafkatest.Expect(t, k, "invoices", serde.String(), serde.JSON[Invoice](), 2)
	drain()
	require.NoError(t, <-billed)
	for _, r := range got {
		require.InDelta(t, r.Value.Amount/5, r.Value.Tax, 1e-9)
	}
	require.Len(t, kafkatest.ReadAll(t, k, "invoices"), 2)
	sum := int64(0)
	for p := range int32(4) {
		sum += max(0, kafkatest.CommittedOffset(t, k, "billing", "orders", p))
	}
	require.EqualValues(t, 2, sum)

	require.NoError(t, greet(t.Context(), addr))
	require.Len(t, kafkatest.ReadAll(t, k, "greetings"), 1)
}
