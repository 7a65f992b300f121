package testlog_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/internal/testlog"
)

func TestLog(t *testing.T) {
	var l testlog.Log
	log := l.Logger().With("stage", "work")
	log.Debug("nobody cares")
	log.Info("begun")
	go log.Warn("slow", "took", 3)
	require.Contains(t, l.Await(t, "slow"), `level=WARN msg=slow stage=work took=3`)
	require.Equal(t, 1, l.Count("begun"))
	require.Len(t, l.Lines("stage=work"), 2)
	require.Contains(t, l.String(), "msg=begun")
	require.Equal(t, l.Lines("slow")[0], l.Tail(1))
}
