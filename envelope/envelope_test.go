package envelope_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/vicuna-go/vicuna/envelope"
)

type invoice struct{ Amount int }

type offset struct{ committed int }

func (o *offset) Commit() { o.committed++ }

// consumed has the shape of a consumer's message: the offset's static type is
// the interface, and everything below must infer from it.
type consumed struct {
	Free   bool
	Offset envelope.Committable
}

func toInvoice(m consumed) envelope.Envelope[string, invoice, envelope.Committable] {
	if m.Free {
		return envelope.PassThrough[string, invoice](m.Offset)
	}
	return envelope.Single(*envelope.New("invoices", "nr-1", invoice{Amount: 1}), m.Offset)
}

func TestEnvelopeFormsInferAndSwitch(t *testing.T) {
	off := &offset{}

	switch e := toInvoice(consumed{Offset: off}).(type) {
	case *envelope.Message[string, invoice, envelope.Committable]:
		require.Equal(t, "invoices", e.Record.Topic)
		require.Equal(t, invoice{Amount: 1}, e.Record.Value)
		require.Same(t, off, e.PassThrough)
		require.Same(t, off, e.Pass())
	default:
		require.Failf(t, "wrong form", "%T", e)
	}

	switch e := toInvoice(consumed{Free: true, Offset: off}).(type) {
	case *envelope.PassThroughMessage[string, invoice, envelope.Committable]:
		require.Same(t, off, e.Pass())
		e.Pass().Commit()
	default:
		require.Failf(t, "wrong form", "%T", e)
	}
	require.Equal(t, 1, off.committed)

	recs := []envelope.Record[string, invoice]{{Topic: "a"}, {Topic: "b"}}
	switch e := envelope.Multi(recs, 7).(type) {
	case *envelope.MultiMessage[string, invoice, int]:
		require.Equal(t, recs, e.Records)
		require.Equal(t, 7, e.Pass())
	default:
		require.Failf(t, "wrong form", "%T", e)
	}
}

func TestEnvelopesOfOtherRecordTypesAreOtherTypes(t *testing.T) {
	var e any = envelope.PassThrough[string, invoice](1)
	_, ok := e.(envelope.Envelope[string, invoice, int])
	require.True(t, ok)
	_, ok = e.(envelope.Envelope[string, string, int])
	require.False(t, ok, "the value's type is part of the interface")
	_, ok = e.(envelope.Envelope[int, invoice, int])
	require.False(t, ok, "the key's type is part of the interface")
}

func TestResultForms(t *testing.T) {
	boom := errors.New("boom")
	rec := envelope.New("t", "k", 1)
	forms := []envelope.Results[string, int, string]{
		&envelope.Result[string, int, string]{Record: rec, PassThrough: "p", Err: boom},
		&envelope.MultiResult[string, int, string]{PassThrough: "p", Err: boom},
		&envelope.PassThroughResult[string, int, string]{PassThrough: "p"},
	}
	var seen []string
	for _, r := range forms {
		require.Equal(t, "p", r.Pass())
		switch r := r.(type) {
		case *envelope.Result[string, int, string]:
			require.Same(t, rec, r.Record)
			require.ErrorIs(t, r.Failed(), boom)
			seen = append(seen, "one")
		case *envelope.MultiResult[string, int, string]:
			require.ErrorIs(t, r.Failed(), boom)
			seen = append(seen, "multi")
		case *envelope.PassThroughResult[string, int, string]:
			require.NoError(t, r.Failed())
			seen = append(seen, "pass")
		}
	}
	require.Equal(t, []string{"one", "multi", "pass"}, seen)
}
