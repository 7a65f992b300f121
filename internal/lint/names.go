package lint

import (
	"path"
	"slices"
	"strings"
)

// vague are the names that say nothing of what is inside.
var vague = []string{
	"util", "utils", "utility", "utilities", "common", "commons", "helper", "helpers", "type", "types", "misc", "shared", "base", "stuff",
}

// checkName is the rule name: no package and no file is called util, common, helpers, types, misc
// or the like.
//
// A reader finds the room from its name, and a name that would fit anything leads nowhere: what is
// in such a file is found by search alone, and everything that has no place is put there. A file is
// named for the one thing in it, tests included.
func checkName(t *tree, report reporter) {
	for _, f := range t.files {
		stem := strings.TrimSuffix(path.Base(f.path), ".go")
		for _, word := range strings.Split(stem, "_") {
			if slices.Contains(vague, word) {
				report(f, f.ast.Package, "a file called %s: name it for the one thing in it", word)
			}
		}
		if slices.Contains(vague, strings.TrimSuffix(f.ast.Name.Name, "_test")) {
			report(f, f.ast.Name.Pos(), "a package called %s: name it for what it is about", f.ast.Name.Name)
		} else if slices.Contains(vague, path.Base(f.dir)) {
			report(f, f.ast.Name.Pos(), "a folder called %s: name it for what it is about", path.Base(f.dir))
		}
	}
}
