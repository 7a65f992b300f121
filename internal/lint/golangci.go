package lint

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
)

// exclusionPath is a line of .golangci.yml that says for which files a linter is off.
var exclusionPath = regexp.MustCompile(`(?m)^\s+(?:- )?path: (\S+)\s*$`)

// checkExclusions says which alternative of which path that the configuration of golangci-lint
// excludes matches none of the files.
//
// Such an exclusion hides nothing today, and something else tomorrow: in a file that gets the name
// again. golangci-lint has a setting for it, which warns and no more. What is compared here are the
// ends of all alternatives: of a|b(c|d) a, bc and bd.
func checkExclusions(config string, files []string) (wrong []string, err error) {
	for _, m := range exclusionPath.FindAllStringSubmatch(config, -1) {
		parsed, err := syntax.Parse(m[1], syntax.Perl)
		if err != nil {
			return nil, err
		}
		for _, one := range alternatives(parsed) {
			form, err := regexp.Compile(one)
			if err != nil {
				return nil, err
			}
			if !slices.ContainsFunc(files, form.MatchString) {
				wrong = append(wrong, fmt.Sprintf(".golangci.yml excludes %s, which no file matches: take it out", one))
			}
		}
	}
	return wrong, nil
}

// alternatives are the expressions without | that one with it stands for.
func alternatives(r *syntax.Regexp) []string {
	switch r.Op {
	case syntax.OpAlternate:
		var all []string
		for _, sub := range r.Sub {
			all = append(all, alternatives(sub)...)
		}
		return all
	case syntax.OpCapture:
		return alternatives(r.Sub[0])
	case syntax.OpConcat:
		all := []string{""}
		for _, sub := range r.Sub {
			var longer []string
			for _, begin := range all {
				for _, end := range alternatives(sub) {
					longer = append(longer, begin+end)
				}
			}
			all = longer
		}
		return all
	}
	return []string{r.String()}
}
