package lint

import (
	"strings"
	"unicode/utf8"
)

// The column that no comment goes beyond, and how far a tab moves.
const (
	widest = 100
	tab    = 4
)

// checkWidth is the rule width: comments end at column 100, a tab counting as four.
//
// Two files stand side by side on a screen then, and a comment can be read without the eye losing
// its line. Code has no such limit: breaking a line of code changes what is seen of its structure,
// breaking prose does not.
//
// Exempt is what cannot be broken or must not be: a line with a URL, a directive (//go:build,
// //nolint), a line of code in a comment (indented by a tab), and the output of an example.
func checkWidth(t *tree, report reporter) {
	for _, f := range t.files {
		lines := strings.Split(f.text, "\n")
		for _, group := range f.ast.Comments {
			if isOutput(group.List[0].Text) {
				continue
			}
			for _, c := range group.List {
				first, last := f.line(c.Pos()), f.line(c.End())
				for n := first; n <= last; n++ {
					line := lines[n-1]
					text := line
					if n == first {
						text = line[f.tree.fset.Position(c.Pos()).Column-1:]
					}
					if got := columns(line); got > widest && !unbreakable(text) {
						// Where a line of a block comment begins, or the comment itself.
						pos := max(c.Pos(), f.tree.fset.File(f.begin).LineStart(n))
						report(f, pos, "the comment ends in column %d, beyond %d", got, widest)
					}
				}
			}
		}
	}
}

// columns is how wide a line is on a screen.
func columns(line string) int {
	n := 0
	for i, part := range strings.Split(strings.TrimRight(line, "\r"), "\t") {
		if i > 0 {
			n += tab - n%tab
		}
		n += utf8.RuneCountInString(part)
	}
	return n
}

// unbreakable is true for a comment's line that has to stay in one piece.
func unbreakable(text string) bool {
	if strings.Contains(text, "://") || strings.HasPrefix(text, "//\t") {
		return true
	}
	directive, ok := strings.CutPrefix(text, "//")
	return ok && directive != "" && directive[0] != ' '
}

// isOutput is true for the comment that says what an example prints.
func isOutput(comment string) bool {
	text := strings.ToLower(strings.TrimSpace(strings.TrimPrefix(comment, "//")))
	return strings.HasPrefix(text, "output:") || strings.HasPrefix(text, "unordered output:")
}
