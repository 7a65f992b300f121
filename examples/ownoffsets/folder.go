package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// folder is where the files are.
type folder string

// account is what a file says: the results up to an offset.
type account struct {
	Next    int64 // the offset of the next payment to be read
	Records int
	Total   int
}

func (f folder) name(p partition) string {
	return filepath.Join(string(f), fmt.Sprintf("%s-%d.json", p.Topic, p.Partition))
}

func (f folder) read(name string) (a account, err error) {
	text, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return a, nil // nothing yet: from the beginning
	}
	if err == nil {
		err = json.Unmarshal(text, &a)
	}
	return a, err
}

// load is a consumer.LoadOffsets.
func (f folder) load(_ context.Context, ps []partition) (map[partition]int64, error) {
	from := map[partition]int64{}
	for _, p := range ps {
		a, err := f.read(f.name(p))
		if err != nil {
			return nil, err
		}
		from[p] = a.Next
	}
	return from, nil
}

// add puts a batch into the partition's file, results and offset in one.
func (f folder) add(p partition, batch []*payment) error {
	a, err := f.read(f.name(p))
	if err != nil {
		return err
	}
	for _, r := range batch {
		a.Records++
		a.Total += r.Value
		a.Next = r.Offset() + 1
	}
	text, err := json.Marshal(a)
	if err != nil {
		return err
	}
	if err := os.WriteFile(f.name(p)+".new", text, 0o600); err != nil {
		return err
	}
	return os.Rename(f.name(p)+".new", f.name(p)) // whole or not at all
}

// totals adds up the files.
func (f folder) totals() (total, records int, err error) {
	names, err := filepath.Glob(filepath.Join(string(f), "*.json"))
	for _, name := range names {
		a, err := f.read(name)
		if err != nil {
			return 0, 0, err
		}
		total, records = total+a.Total, records+a.Records
	}
	return total, records, err
}
