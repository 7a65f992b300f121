// Command features is behind `make features`: it reads the table in docs/features.md, checks that
// what it claims is there, and prints how many rows of each letter are done. It runs in the root of
// the repository.
//
// What it checks:
//   - every id is there once, and no other;
//   - a state is `done`, `part: what is missing`, `todo`, or `outside: why`, the last for the five
//     ids only that are not a library's matter;
//   - a done or part row has a test, and something in the API or in the docs that the test is for;
//   - every identifier, test and page that a done or part row names exists.
//
// Identifiers are `package.Name`, `package.Type.Method` and `package.Type.Field`; tests are
// `package.TestName`, also fuzz tests and examples. A package is called by its name, or by the end
// of its path where two have the same (`stream/streamtest`, `cmd/demo`).
package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
)

func main() {
	if !run(os.Stdout, ".") {
		os.Exit(1)
	}
}

// run checks the repository at root and reports to w; it is false when something does not hold.
func run(w io.Writer, root string) bool {
	docs := filepath.Join(root, "docs")
	text, err := os.ReadFile(filepath.Join(docs, "features.md"))
	if err != nil {
		fmt.Fprintln(w, "features:", err)
		return false
	}
	code, err := readCode(root)
	if err != nil {
		fmt.Fprintln(w, "features:", err)
		return false
	}
	rows, problems := parseTable(string(text))
	problems = append(problems, checkRows(rows, code, &pages{docs: docs})...)
	for _, p := range problems {
		fmt.Fprintln(w, "docs/features.md:", p)
	}
	printCounts(w, rows)
	return len(problems) == 0
}

// printCounts prints a line for each letter and one for all.
func printCounts(w io.Writer, rows []row) {
	all := map[string]int{}
	line := func(name string, n map[string]int) {
		total := n[done] + n[part] + n[todo] + n[outside]
		fmt.Fprintf(w, "%-3s %3d of %3d done, %3d part, %3d todo, %d outside\n", name, n[done], total, n[part], n[todo], n[outside])
	}
	for _, l := range letters {
		n := map[string]int{}
		for _, r := range rows {
			if r.id[:1] == l.name {
				n[r.state]++
				all[r.state]++
			}
		}
		line(l.name, n)
	}
	line("all", all)
}
