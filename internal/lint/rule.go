package lint

import (
	"fmt"
	"go/token"
	"path"
)

// rule is one habit that is enforced.
type rule struct {
	name  string
	check func(*tree, reporter)
}

// rules are all there are.
func rules() []rule {
	return []rule{
		{"go", checkGo},
		{"background", checkBackground},
		{"width", checkWidth},
		{"sleep", checkSleep},
		{"leak", checkLeak},
		{"init", checkInit},
		{"error", checkError},
		{"doc", checkDoc},
		{"fields", checkFields},
		{"name", checkName},
	}
}

// finding is one breach of a rule.
type finding struct {
	rule    string
	path    string
	line    int
	place   string // what exceptions name: the folder and the declaration in it
	message string
}

// dir is the folder of the file.
func (f finding) dir() string { return path.Dir(f.path) }

func (f finding) String() string {
	return fmt.Sprintf("%s:%d: %s: %s", f.path, f.line, f.rule, f.message)
}

// reporter takes a finding at a position of a file.
type reporter func(f *file, pos token.Pos, format string, args ...any)

// run gives all findings of a rule in a tree, excepted ones too.
func (r rule) run(t *tree) []finding {
	var found []finding
	r.check(t, func(f *file, pos token.Pos, format string, args ...any) {
		place := f.dir
		if name := f.declaration(pos); name != "" {
			place += " " + name
		}
		found = append(found, finding{
			rule: r.name, path: f.path, line: f.line(pos), place: place, message: fmt.Sprintf(format, args...),
		})
	})
	return found
}
