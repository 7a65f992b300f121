package lint

import "go/ast"

// checkGo is the rule go: the library starts goroutines through the launcher of internal/core and
// nowhere else.
//
// A run ends only when each of its goroutines has ended, a panic in one of them fails the run with
// the stage's name, and one that does not come back is told of by name. A bare go statement has
// none of the three: its panic ends the user's process, and it may outlive the run. WaitGroup.Go,
// which starts one too, counts as one; and so does AfterFunc, of time and of context, whose
// function runs on one: it may stay where it does little and nothing that can panic.
//
// Tests and programs (bench, cmd, examples, integration) are user code and may start what they
// like.
func checkGo(t *tree, report reporter) {
	for _, f := range t.files {
		if !f.library() {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt:
				report(f, n.Pos(), "a goroutine outside of the launcher: use core.Run's Go, or Serial")
			case *ast.CallExpr:
				if s, ok := n.Fun.(*ast.SelectorExpr); ok && s.Sel.Name == "Go" && len(n.Args) == 1 {
					report(f, n.Pos(), "a WaitGroup's goroutine outside of the launcher: use core.Run's Go, or Serial")
				}
				if s, ok := n.Fun.(*ast.SelectorExpr); ok && s.Sel.Name == "AfterFunc" && len(n.Args) == 2 {
					report(f, n.Pos(), "a timer's or context's goroutine outside of the launcher: wait in one of core.Run's")
				}
			}
			return true
		})
	}
}
