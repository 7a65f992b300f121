package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// read gives all lines of a text.
func read(t *testing.T, text string) ([]line, error) {
	t.Helper()
	in := &input{name: "text", key: "id", from: bytes.NewReader([]byte(text))}
	var lines []line
	err := in.emit(t.Context(), func(l *line) bool {
		lines = append(lines, *l)
		return true
	})
	return lines, err
}

func TestLines(t *testing.T) {
	long := `{"id":"long","x":"` + strings.Repeat("x", 200_000) + `"}`
	lines, err := read(t, "\xef\xbb\xbf{\"id\":\"a\"}\r\n\r\n  {\"id\":7}\n{\"id\":null}\n{\"other\":1}\n[1,2]\n\"text\"\n"+long+"\n{\"id\":{\"x\":1}}")
	require.NoError(t, err)
	require.Equal(t, []line{
		{1, "a", true, []byte(`{"id":"a"}`)},
		{3, "7", true, []byte(`{"id":7}`)},
		{4, "", false, []byte(`{"id":null}`)},
		{5, "", false, []byte(`{"other":1}`)},
		{6, "", false, []byte(`[1,2]`)},
		{7, "", false, []byte(`"text"`)},
		{8, "long", true, []byte(long)},
		{9, `{"x":1}`, true, []byte(`{"id":{"x":1}}`)},
	}, lines)
}

func TestBrokenLineIsNamed(t *testing.T) {
	for text, says := range map[string]string{
		"{}\n{}\nnothing\n{}": "text, line 3: not JSON",
		"{} {}":               "text, line 1: not JSON",
		"{}\n{\"a\":\xff}":    "text, line 2: not JSON",
		"{}\n\n\n{\"half\":":  "text, line 4: not JSON",
		"\n" + strings.Repeat(" ", maxLine+100_000) + "{}": "text, line 2: longer than 900000 bytes",
	} {
		_, err := read(t, text)
		require.ErrorContains(t, err, says)
		var bad *lineError
		require.ErrorAs(t, err, &bad)
	}
}

func TestNobodyWantsMore(t *testing.T) {
	in := &input{name: "text", from: strings.NewReader("{}\n{}\n{}\n")}
	n := 0
	require.NoError(t, in.emit(t.Context(), func(*line) bool { n++; return n < 2 }))
	require.Equal(t, 2, n)
}

func TestReadThatDoesNotReturnIsLeft(t *testing.T) {
	p := newProgram(t, nil)
	p.lines(t) // never written to
	ctx, cancel := context.WithCancel(t.Context())
	in := &input{name: "pipe", from: p.stdin}
	done := make(chan error)
	go func() { done <- in.emit(ctx, func(*line) bool { return true }) }()
	cancel()
	require.ErrorIs(t, <-done, context.Canceled)
}

func TestBuiltInInput(t *testing.T) {
	sc := bufio.NewScanner(bytes.NewReader(builtIn))
	for n := 1; sc.Scan(); n++ {
		var order struct{ Order int }
		require.NoError(t, json.Unmarshal(sc.Bytes(), &order), fmt.Sprint("line ", n))
		require.Equal(t, n, order.Order)
	}
	require.NoError(t, sc.Err())
}
