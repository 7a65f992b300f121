package main

import (
	"encoding/json"
	"math"
	"os"
	"time"
)

// A row is one case in the results file. A field that does not apply is left out.
type row struct {
	ID       string   `json:"id"`
	Case     string   `json:"case"`
	Broker   string   `json:"broker,omitempty"` // embedded or kafka
	Unit     string   `json:"unit"`
	Ours     float64  `json:"ours"`
	Baseline float64  `json:"baseline"`
	Ratio    float64  `json:"ratio"` // more is better, also where the unit is a time
	Low      float64  `json:"low"`
	High     float64  `json:"high"`
	Noise    float64  `json:"noise"`
	Allocs   *float64 `json:"allocs_per_record,omitempty"`
	Bytes    *float64 `json:"bytes_per_record,omitempty"`
	P50      *float64 `json:"p50_ms,omitempty"`
	P99      *float64 `json:"p99_ms,omitempty"`
}

func (o outcome) row() row {
	r := row{
		ID: o.id, Case: o.c.name, Broker: o.kind, Unit: o.c.unit,
		Ours: significant(o.ours), Baseline: significant(o.baseline),
		Ratio: significant(o.ratio), Low: significant(o.low), High: significant(o.high),
		Noise: significant(o.noise),
	}
	if o.counted {
		r.Allocs, r.Bytes = number(o.allocs), number(o.bytes)
	}
	if o.c.latency {
		r.P50, r.P99 = millis(o.p50), millis(o.p99)
	}
	return r
}

func number(x float64) *float64 {
	x = significant(x)
	return &x
}

func millis(d time.Duration) *float64 {
	return number(float64(d) / float64(time.Millisecond))
}

// significant rounds to five digits: more of them would only look exact.
func significant(x float64) float64 {
	if x == 0 || math.IsInf(x, 0) || math.IsNaN(x) {
		return 0
	}
	scale := math.Pow(10, 4-math.Floor(math.Log10(math.Abs(x))))
	return math.Round(x*scale) / scale
}

func writeResults(path string, rows []row) error {
	if path == "" {
		return nil
	}
	text, err := json.MarshalIndent(rows, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}
