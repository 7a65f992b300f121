package settings

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestCommitterDefaults(t *testing.T) {
	for name, cm := range map[string]Committer{"zero": {}, "made": NewCommitter(), "derived": Committer{}.With()} {
		require.NoError(t, cm.Err(), name)
		require.Equal(t, 1000, cm.MaxBatch(), name)
		require.Equal(t, 100*time.Millisecond, cm.MaxInterval(), name)
		require.True(t, cm.WaitsForAck(), name)
		require.Equal(t, WaitForAck, cm.Delivery(), name)
		require.Equal(t, 100, cm.Parallelism(), name)
		require.Equal(t, OffsetFirstObserved, cm.CommitWhen(), name)
		require.False(t, cm.Given("MaxBatch"), name)
		require.Equal(t, "settings.Committer{max.batch: 1000, max.interval: 100ms, delivery: WaitForAck}", cm.String(), name)
		require.Equal(t, cm.String(), fmt.Sprint(cm), name)
	}
}

func TestCommitterOptionsAreReadBack(t *testing.T) {
	cm := NewCommitter(MaxBatch(1), MaxInterval(time.Minute), Delivery(SendAndForget), Parallelism(3), CommitWhen(NextOffsetObserved))
	require.NoError(t, cm.Err())
	require.Equal(t, 1, cm.MaxBatch())
	require.Equal(t, time.Minute, cm.MaxInterval())
	require.False(t, cm.WaitsForAck())
	require.Equal(t, SendAndForget, cm.Delivery())
	require.Equal(t, 3, cm.Parallelism())
	require.Equal(t, NextOffsetObserved, cm.CommitWhen())
	require.True(t, cm.Given("MaxBatch"))

	other := cm.With(MaxBatch(2))
	require.NoError(t, other.Err(), "With replaces, it does not contradict")
	require.Equal(t, []int{1, 2}, []int{cm.MaxBatch(), other.MaxBatch()})
	require.Equal(t, time.Minute, other.MaxInterval())
	require.Equal(t, 1000, NewCommitter().MaxBatch(), "nothing reaches the defaults")
	require.False(t, Committer{}.Given("MaxBatch"))
}

func TestCommitterRules(t *testing.T) {
	for name, r := range map[string]struct {
		opt     CommitterOption
		setting string
		says    string
	}{
		"no batch":          {MaxBatch(0), "MaxBatch", "at least 1"},
		"negative batch":    {MaxBatch(-1), "MaxBatch", "at least 1"},
		"no interval":       {MaxInterval(0), "MaxInterval", "from 1ms"},
		"short interval":    {MaxInterval(time.Millisecond - 1), "MaxInterval", "from 1ms"},
		"shortest interval": {MaxInterval(time.Millisecond), "", ""},
		"endless interval":  {MaxInterval(1000 * time.Hour), "MaxInterval", "576h"},
		"no parallelism":    {Parallelism(0), "Parallelism", "at least 1"},
		"unknown delivery":  {Delivery(2), "Delivery", "none of WaitForAck"},
		"unknown moment":    {CommitWhen(-1), "CommitWhen", "none of OffsetFirstObserved"},
		"nil option":        {nil, "options", "option 1 of 1 is nil"},
	} {
		t.Run(name, func(t *testing.T) {
			err := NewCommitter(r.opt).Err()
			if r.setting == "" {
				require.NoError(t, err)
				return
			}
			require.Len(t, problems(t, err), 1)
			require.Contains(t, problem(t, err, r.setting).Reason, r.says)
		})
	}
	bad := NewCommitter(MaxBatch(0), MaxInterval(0), MaxBatch(3))
	require.Len(t, problems(t, bad.Err()), 2)
	require.Contains(t, problem(t, bad.Err(), "MaxBatch").Reason, "given twice, as 0 and as 3")
	require.Len(t, problems(t, bad.With(MaxInterval(time.Second)).Err()), 1, "given twice, as before")
	require.NoError(t, bad.With(MaxBatch(3), MaxInterval(time.Second)).Err())
	require.Len(t, problems(t, NewCommitter(MaxBatch(0), MaxInterval(0), Parallelism(0), Delivery(9), CommitWhen(9)).Err()), 5)
}
