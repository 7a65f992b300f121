package main

import (
	"bufio"
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

//go:embed orders.ndjson
var builtIn []byte

// maxLine is how long a line may be, so that its record fits into a batch of the default size.
const maxLine = 900_000

// line is one of the input, as it goes through the stream.
type line struct {
	number uint64 // from 1
	key    string
	keyed  bool
	value  []byte
}

// input gives lines.
type input struct {
	name  string
	key   string
	rate  int
	from  io.Reader
	close func()
}

// lineError is a line that is no JSON, or too long.
type lineError struct {
	input string
	line  uint64
	err   error
}

func (e *lineError) Error() string { return fmt.Sprintf("%s, line %d: %v", e.input, e.line, e.err) }
func (e *lineError) Unwrap() error { return e.err }

// emptyError is an input without a record.
type emptyError struct{ input string }

func (e *emptyError) Error() string { return e.input + " has no records" }

func openInput(cfg config, stdin io.Reader) (*input, error) {
	in := &input{name: cfg.input, key: cfg.key, rate: cfg.rate, close: func() {}}
	switch cfg.input {
	case "":
		in.name, in.from = "orders.ndjson (built in)", bytes.NewReader(builtIn)
	case "-":
		in.name, in.from = "standard input", stdin
	default:
		f, err := os.Open(cfg.input)
		if err != nil {
			return nil, fmt.Errorf("input: %w", err)
		}
		in.from, in.close = f, func() { f.Close() }
		if info, err := f.Stat(); err == nil && info.IsDir() {
			f.Close()
			return nil, fmt.Errorf("input: %s is a directory", cfg.input)
		}
	}
	return in, nil
}

// emit reads the input line by line and passes each on, until nobody wants more.
func (in *input) emit(ctx context.Context, emit func(*line) bool) error {
	r := bufio.NewReaderSize(leavable(ctx, in.from), 64<<10)
	started := time.Now()
	given := 0
	for number := uint64(1); ; number++ {
		text, err := readLine(r)
		if errors.Is(err, io.EOF) {
			if given == 0 {
				return &emptyError{in.name}
			}
			return nil
		}
		if err != nil && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		var l *line
		if err == nil {
			l, err = in.parse(number, text)
		}
		if err != nil {
			return &lineError{in.name, number, err}
		}
		if l == nil {
			continue
		}
		if in.rate > 0 && !waitUntil(ctx, started.Add(time.Duration(given)*time.Second/time.Duration(in.rate))) {
			return nil
		}
		if given++; !emit(l) {
			return nil
		}
	}
}

// parse makes a line of a text; nil of a blank one. The text is copied: its buffer is read into
// again.
func (in *input) parse(number uint64, text []byte) (*line, error) {
	if number == 1 {
		text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")) // some editors begin a file with it
	}
	if text = bytes.TrimSpace(text); len(text) == 0 {
		return nil, nil
	}
	l := &line{number: number, value: bytes.Clone(text)}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(text, &fields); err != nil {
		if !json.Valid(text) {
			return nil, fmt.Errorf("not JSON: %w", err)
		}
		return l, nil // no object, so without fields
	}
	raw, ok := fields[in.key]
	if !ok || string(raw) == "null" {
		return l, nil
	}
	l.keyed = true
	if json.Unmarshal(raw, &l.key) != nil {
		l.key = string(raw) // a number, say: as it is written
	}
	return l, nil
}

// readLine returns the next line with or without its end; the slice is good until the next call.
func readLine(r *bufio.Reader) ([]byte, error) {
	text, err := r.ReadSlice('\n')
	if err == nil || err == io.EOF && len(text) > 0 {
		return text, nil
	}
	var whole []byte
	for errors.Is(err, bufio.ErrBufferFull) {
		if whole = append(whole, text...); len(whole) > maxLine {
			return nil, fmt.Errorf("longer than %d bytes, which would not fit into a record", maxLine)
		}
		text, err = r.ReadSlice('\n')
	}
	if whole = append(whole, text...); err == nil || err == io.EOF && len(whole) > 0 {
		return whole, nil
	}
	return nil, err
}

func waitUntil(ctx context.Context, at time.Time) bool {
	timer := time.NewTimer(time.Until(at))
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// leavable is a reader whose reads end with the context. A read of a terminal or of a pipe can take
// for ever, and nothing ends it: it is left to itself then. Files do not keep anybody waiting.
func leavable(ctx context.Context, from io.Reader) io.Reader {
	switch in := from.(type) {
	case *bytes.Reader:
		return in
	case *os.File:
		if info, err := in.Stat(); err == nil && info.Mode().IsRegular() {
			return in
		}
	}
	r := &reads{ctx: ctx, chunks: make(chan chunk)}
	go r.run(from)
	return r
}

type reads struct {
	ctx    context.Context
	chunks chan chunk
	now    chunk
}

type chunk struct {
	data []byte
	err  error
}

func (r *reads) run(from io.Reader) {
	for {
		buf := make([]byte, 32<<10)
		n, err := from.Read(buf)
		select {
		case r.chunks <- chunk{buf[:n], err}:
		case <-r.ctx.Done():
			return
		}
		if err != nil {
			return
		}
	}
}

func (r *reads) Read(p []byte) (int, error) {
	for len(r.now.data) == 0 {
		if r.now.err != nil {
			return 0, r.now.err
		}
		select {
		case r.now = <-r.chunks:
		case <-r.ctx.Done():
			return 0, context.Cause(r.ctx)
		}
	}
	n := copy(p, r.now.data)
	r.now.data = r.now.data[n:]
	return n, nil
}
