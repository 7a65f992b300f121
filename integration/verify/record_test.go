package verify

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRecordSurvivesItsText(t *testing.T) {
	for _, r := range []Record{
		{},
		{Key: "key-1", Seq: 17, Fan: Fan{N: 3}},
		{Key: "key-1", Seq: 17, Src: Position{"in.put_1-a", 7, 1 << 40}, Attempt: NewAttempt(), Fan: Fan{2, 3}},
		{Key: "a|b:c/d e\n\x00ä", Attempt: "x|y"},
	} {
		got, err := Decode(r.Encode())
		require.NoError(t, err)
		require.Equal(t, r, got)
	}
	require.Equal(t, "v1|k|4|in:0:9|me|1/2|", strings.TrimRight(string(Record{"k", 4, Position{"in", 0, 9}, "me", Fan{1, 2}}.Encode()), "0123456789abcdef"))
	first := NewAttempt()
	require.NotEqual(t, first, NewAttempt())
}

// Whatever happens to a value, one bit or more, is seen.
func TestDecodeRefuses(t *testing.T) {
	good := Record{Key: "key-1", Seq: 17, Src: Position{"in", 7, 1234}, Attempt: "me", Fan: Fan{2, 3}}.Encode()
	for bit := range len(good) * 8 {
		bad := append([]byte(nil), good...)
		bad[bit/8] ^= 1 << (bit % 8)
		_, err := Decode(bad)
		require.ErrorIs(t, err, ErrCorrupt, "%q", bad)
	}
	for n := range good {
		_, err := Decode(good[:n])
		require.ErrorIs(t, err, ErrCorrupt)
	}
	for _, text := range []string{"v2|k|4|in:0:9|me|1/2", "v1|k|4|in:0|me|1/2", "v1|k|x|in:0:9|me|1/2", "v1|k|4|in:0:9|me|12", "v1|k|4|in:x:9|me|1/2", "v1|%|4|in:0:9|me|1/2", "v1"} {
		_, err := Decode(sealed(text))
		require.ErrorIs(t, err, ErrCorrupt, text)
	}
	_, err := Decode(sealed("v1|k|4|in:0:9|me|1/2"))
	require.NoError(t, err)
	_, err = Decode(nil)
	require.ErrorIs(t, err, ErrCorrupt)
}

func FuzzDecode(f *testing.F) {
	f.Add(Record{Key: "k", Seq: 4, Src: Position{"in", 0, 9}, Attempt: "me", Fan: Fan{1, 2}}.Encode())
	f.Fuzz(func(t *testing.T, value []byte) {
		r, err := Decode(value)
		if err == nil {
			again, err := Decode(r.Encode())
			require.NoError(t, err)
			require.Equal(t, r, again)
		}
	})
}

func TestPlan(t *testing.T) {
	plan := Plan{Seed: rand.Uint64(), Keys: 20, Records: 5000, Partitions: 8, Fans: []int{0, 1, 3}}
	t.Log("seed", plan.Seed)
	home, next, fans, sizes := map[string]int32{}, map[string]int64{}, map[int]int{}, map[int32]int{}
	var first []Record
	for p, r := range plan.All() {
		first = append(first, r)
		was, known := home[r.Key]
		require.True(t, !known || was == p, "a key lives in one partition")
		home[r.Key] = p
		require.Equal(t, next[r.Key], r.Seq)
		next[r.Key]++
		fans[r.Fan.N]++
		sizes[p]++
	}
	require.Len(t, first, 5000)
	require.Len(t, home, 20)
	require.Len(t, fans, 3)
	require.Len(t, sizes, 8)
	var again []Record
	for _, r := range plan.All() {
		again = append(again, r)
	}
	require.Equal(t, first, again, "the same seed gives the same")
	plan.Seed++
	for _, r := range plan.All() {
		require.NotEqual(t, again, r)
		break
	}
}
