package outage_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/internal/outage"
)

func TestOutages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var o outage.Outages
		_, was := o.Over("a")
		require.False(t, was)
		require.True(t, o.Begins("a"))
		require.False(t, o.Begins("a"), "told once")
		require.True(t, o.Begins("b"))
		<-time.After(time.Second)
		took, was := o.Over("a")
		require.True(t, was)
		require.Equal(t, time.Second, took)
		_, was = o.Over("a")
		require.False(t, was)
		require.True(t, o.Any())
		o.Over("b")
		require.False(t, o.Any())
		require.True(t, o.Begins("a"), "again")
	})
}
