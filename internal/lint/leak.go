package lint

import "go/ast"

// checkLeak is the rule leak: a package whose tests start something looks at its end for goroutines
// that are left, in a TestMain (goleak.VerifyTestMain).
//
// A goroutine that outlives its stream is a leak in every service that restarts the stream, and no
// other test sees it. Packages whose tests run in a bubble are looked at as well: not all do.
func checkLeak(t *tree, report reporter) {
	for _, files := range t.packages {
		var first *file
		looks := false
		for _, f := range files {
			if !f.test {
				continue
			}
			if first == nil || f.path < first.path {
				first = f
			}
			ast.Inspect(f.ast, func(n ast.Node) bool {
				if e, ok := n.(ast.Expr); ok && calls(e, "goleak", "VerifyTestMain", "Find") {
					looks = true
				}
				return !looks
			})
		}
		if first != nil && !looks {
			report(first, first.ast.Name.Pos(), "nothing looks for goroutines that are left: TestMain with goleak.VerifyTestMain")
		}
	}
}
