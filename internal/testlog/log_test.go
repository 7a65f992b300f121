package testlog_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/internal/testlog"
)

// failing is a test that notes whether it was failed.
type failing struct {
	testing.TB
	failed bool
}

func (f *failing) Helper()               {}
func (f *failing) Errorf(string, ...any) { f.failed = true }
func (f *failing) FailNow()              { f.failed = true }

func TestLog(t *testing.T) {
	var l testlog.Log
	log := l.Logger().With("stage", "work")
	log.Debug("nobody cares")
	log.Info("begun")
	l.RequireCalm(t)
	go log.Warn("slow", "took", 3)
	require.Contains(t, l.Await(t, "slow"), `level=WARN msg=slow stage=work took=3`)
	require.Equal(t, 1, l.Count("begun"))
	require.Len(t, l.Lines("stage=work"), 2)
	require.Contains(t, l.String(), "msg=begun")
	require.Equal(t, l.Lines("slow")[0], l.Tail(1))

	f := &failing{TB: t}
	l.RequireCalm(f)
	require.True(t, f.failed, "a warning that was not expected")
	l.Expect("msg=slow")
	l.RequireCalm(t)
	log.Error("gone")
	require.Len(t, l.Alarms(), 1)
}
