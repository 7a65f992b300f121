package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// The states of a row.
const (
	done    = "done"
	part    = "part"
	todo    = "todo"
	outside = "outside"
)

// letters are the sections of the table and the number of ids in each.
var letters = []struct {
	name string
	ids  int
}{{"E", 8}, {"A", 28}, {"I", 27}, {"K", 26}, {"C", 47}, {"R", 22}, {"B", 24}}

// outsiders are the ids that no client library can do: they are the broker's, or other systems'.
var outsiders = []string{"I26", "C36", "C39", "C42", "C47"}

// row is one line of the table.
type row struct {
	line  int // in the file, from 1
	id    string
	api   []string // identifiers
	tests []string
	docs  []string // targets of links
	state string
	note  string // what is missing of a part, why a row is outside
}

var (
	idForm   = regexp.MustCompile(`^[A-Z]\d+$`)
	quoted   = regexp.MustCompile("`([^`]+)`")
	linkForm = regexp.MustCompile(`\[[^\]]*\]\(([^)\s]+)\)`)
)

const columns = 6

// parseTable reads the rows of all the tables in the text, which are the lines that begin with a
// bar; those of the head and under it are passed over.
func parseTable(text string) (rows []row, problems []string) {
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "|") {
			continue
		}
		cells := splitCells(line)
		if cells[0] == "id" || strings.Trim(cells[0], ":-") == "" {
			continue
		}
		if len(cells) != columns || !idForm.MatchString(cells[0]) {
			problems = append(problems, fmt.Sprintf("line %d: not a row of %d cells that begins with an id: %s", number, columns, line))
			continue
		}
		r := row{line: number, id: cells[0], api: inner(quoted, cells[2]), tests: inner(quoted, cells[3]), docs: inner(linkForm, cells[4])}
		state, note, _ := strings.Cut(cells[5], ":")
		r.state, r.note = strings.TrimSpace(state), strings.TrimSpace(note)
		if cells[1] == "" {
			problems = append(problems, r.says("it does not say what it is"))
		}
		rows = append(rows, r)
	}
	return rows, problems
}

// splitCells splits a line of a table at its bars, escaped ones left in the cell.
func splitCells(line string) []string {
	line = strings.TrimSuffix(strings.TrimPrefix(line, "|"), "|")
	const bar = "\x00"
	cells := strings.Split(strings.ReplaceAll(line, `\|`, bar), "|")
	for i, c := range cells {
		cells[i] = strings.TrimSpace(strings.ReplaceAll(c, bar, "|"))
	}
	return cells
}

// inner gives the first group of every match.
func inner(form *regexp.Regexp, text string) (found []string) {
	for _, m := range form.FindAllStringSubmatch(text, -1) {
		found = append(found, m[1])
	}
	return found
}

func (r row) says(format string, args ...any) string {
	return fmt.Sprintf("line %d: %s: %s", r.line, r.id, fmt.Sprintf(format, args...))
}

// checkRows says everything that is wrong with the rows.
func checkRows(rows []row, code *code, docs *pages) (problems []string) {
	problems = checkIDs(rows)
	for _, r := range rows {
		switch r.state {
		case todo:
			if r.note != "" {
				problems = append(problems, r.says("a todo row says nothing more"))
			}
		case outside:
			if !slices.Contains(outsiders, r.id) {
				problems = append(problems, r.says("it is not one of the rows that may be outside (%s)", strings.Join(outsiders, ", ")))
			}
			if r.note == "" {
				problems = append(problems, r.says("it does not say why it is outside (outside: why)"))
			}
		case part, done:
			problems = append(problems, checkClaim(r, code, docs)...)
		default:
			problems = append(problems, r.says("%q is no state (done, part: what is missing, todo, outside: why)", r.state))
		}
	}
	return problems
}

// checkClaim checks a row that says that something is there.
func checkClaim(r row, code *code, docs *pages) (problems []string) {
	if r.state == part && r.note == "" {
		problems = append(problems, r.says("it does not say what is missing (part: what)"))
	}
	if r.state == done && r.note != "" {
		problems = append(problems, r.says("done with a reservation is part"))
	}
	if len(r.tests) == 0 {
		problems = append(problems, r.says("no test is named (`package.TestName`)"))
	}
	if len(r.api) == 0 && len(r.docs) == 0 {
		problems = append(problems, r.says("neither an identifier nor a page is named"))
	}
	for _, name := range r.api {
		if err := code.identifier(name); err != nil {
			problems = append(problems, r.says("%v", err))
		}
	}
	for _, name := range r.tests {
		if err := code.test(name); err != nil {
			problems = append(problems, r.says("%v", err))
		}
	}
	for _, target := range r.docs {
		if err := docs.resolve(target); err != nil {
			problems = append(problems, r.says("%v", err))
		}
	}
	return problems
}

// checkIDs wants every id once and no other.
func checkIDs(rows []row) (problems []string) {
	wanted := map[string]bool{}
	var order []string
	for _, l := range letters {
		for i := range l.ids {
			id := fmt.Sprintf("%s%d", l.name, i+1)
			wanted[id] = true
			order = append(order, id)
		}
	}
	seen := map[string]int{}
	for _, r := range rows {
		switch first, twice := seen[r.id]; {
		case !wanted[r.id]:
			problems = append(problems, r.says("there is no such id"))
		case twice:
			problems = append(problems, r.says("it stands on line %d already", first))
		default:
			seen[r.id] = r.line
		}
	}
	for _, id := range order {
		if seen[id] == 0 {
			problems = append(problems, id+": the row is missing")
		}
	}
	return problems
}
