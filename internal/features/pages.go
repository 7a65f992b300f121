package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"unicode"
)

// pages resolves links of the table.
type pages struct {
	docs    string // the folder that links start from
	anchors map[string]map[string]bool
}

// resolve looks for file.md, file.md#anchor, or #anchor in the table's own page.
func (p *pages) resolve(target string) error {
	file, anchor, hasAnchor := strings.Cut(target, "#")
	if strings.Contains(file, "://") {
		return fmt.Errorf("page %s: a link out of the repository proves nothing", target)
	}
	if file == "" {
		file = "features.md"
	}
	path := filepath.Join(p.docs, filepath.FromSlash(file))
	if !hasAnchor {
		if _, err := os.Stat(path); err != nil {
			return fmt.Errorf("page %s: %w", target, err)
		}
		return nil
	}
	if p.anchors == nil {
		p.anchors = map[string]map[string]bool{}
	}
	if p.anchors[path] == nil {
		text, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("page %s: %w", target, err)
		}
		p.anchors[path] = anchorsOf(string(text))
	}
	if !p.anchors[path][anchor] {
		return fmt.Errorf("page %s: no heading has the anchor #%s", target, anchor)
	}
	return nil
}

var (
	headingForm = regexp.MustCompile(`^ {0,3}#{1,6}[ \t]+(.*?)(?:[ \t]+#+)?[ \t]*$`)
	fenceForm   = regexp.MustCompile("^ {0,3}(`{3,}|~{3,})(.*)$")
	explicit    = regexp.MustCompile(`<a\s+(?:name|id)="([^"]+)"`)
	linkText    = regexp.MustCompile(`!?\[([^\]]*)\]\([^)]*\)`)
)

// anchorsOf gives the anchors that GitHub makes of a page's headings, and those that it sets
// itself. Headings are those with number signs; in fenced code there are none. The second heading
// of the same anchor gets -1, the third -2.
func anchorsOf(text string) map[string]bool {
	anchors := map[string]bool{}
	counts := map[string]int{}
	fence := ""
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		if m := fenceForm.FindStringSubmatch(line); m != nil {
			switch {
			case fence == "":
				fence = m[1]
			case m[1][0] == fence[0] && len(m[1]) >= len(fence) && strings.TrimSpace(m[2]) == "":
				fence = ""
			}
			continue
		}
		if fence != "" {
			continue
		}
		for _, m := range explicit.FindAllStringSubmatch(line, -1) {
			anchors[m[1]] = true
		}
		m := headingForm.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		slug := slugOf(m[1])
		anchor := slug
		for anchors[anchor] {
			counts[slug]++
			anchor = fmt.Sprintf("%s-%d", slug, counts[slug])
		}
		anchors[anchor] = true
	}
	return anchors
}

// slugOf is a heading in small letters with hyphens for spaces, without any other sign than hyphens
// and underscores.
func slugOf(heading string) string {
	heading = linkText.ReplaceAllString(heading, "$1")
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsNumber(r) || unicode.IsMark(r):
			return unicode.ToLower(r)
		}
		return -1
	}, strings.TrimSpace(heading))
}
