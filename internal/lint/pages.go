package lint

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"unicode/utf8"
)

// checkPages says which lines of the Markdown pages, those of the repository's root, of docs and of
// examples, go beyond column 100.
//
// The reason is that of the rule width: pages are read in an editor, too, and a change of a word is
// a line of a diff then and not a paragraph. Tables, code, comments, headings and definitions of
// links have to be on one line, and what has no place to break may be.
func checkPages(root string) (found []string, err error) {
	for _, pattern := range []string{"*.md", "docs/*.md", "examples/*.md"} {
		pages, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(pattern)))
		if err != nil {
			return nil, err
		}
		for _, page := range pages {
			text, err := os.ReadFile(page)
			if err != nil {
				return nil, err
			}
			for _, line := range wideLines(string(text)) {
				found = append(found, filepath.Base(page)+": "+line)
			}
		}
	}
	return found, nil
}

var (
	// whole is the beginning of a line that has to stay in one piece.
	whole = regexp.MustCompile(`^\s*(\||<!--|#|\[[^\]]+\]: )`)
	// marker is what stands before the first word of a line.
	marker = regexp.MustCompile(`^\s*((-|\*|>|\d+\.) +)*`)
	// piece is what is not broken: code in a line, whatever blanks it has, and else a word.
	piece = regexp.MustCompile("`[^`]*`\\S*")
)

// wideLines says which lines of a page are too wide.
func wideLines(text string) (found []string) {
	code := false
	for i, line := range strings.Split(text, "\n") {
		if strings.HasPrefix(strings.TrimSpace(line), "```") {
			code = !code
			continue
		}
		width := utf8.RuneCountInString(line)
		if code || width <= widest || whole.MatchString(line) {
			continue
		}
		words := piece.ReplaceAllString(strings.TrimRight(marker.ReplaceAllString(line, ""), " "), "x")
		if strings.Contains(words, " ") {
			found = append(found, fmt.Sprintf("line %d ends in column %d, beyond %d", i+1, width, widest))
		}
	}
	return found
}
