package lint

import "go/ast"

// checkFields is the rule fields: of a struct that more than one goroutine touches, each field says
// who writes it, or under what.
//
// Most of the races that were ever found here were fields of which everyone believed that someone
// else's lock covers them. Such a struct is one with a mutex or an atomic in it. Its fields stand
// in groups, which empty lines part; a group is in order
//
//   - if it begins with its mutex, which then guards what follows it in the group, as is the
//     custom;
//   - if a comment stands above its first field, which speaks for the group;
//   - or if each of its fields has a comment, above it or at the end of its line.
//
// Whether what a comment says is true no syntax tells; that it was thought about, it does.
func checkFields(t *tree, report reporter) {
	for _, f := range t.files {
		if f.test {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			if spec, ok := n.(*ast.TypeSpec); ok {
				if s, ok := spec.Type.(*ast.StructType); ok && isShared(s) {
					checkStruct(f, spec.Name.Name, s, report)
				}
			}
			return true
		})
	}
}

// isShared is true for a struct with a mutex or an atomic among its fields.
func isShared(s *ast.StructType) bool {
	for _, field := range s.Fields.List {
		if isMutex(field.Type) || isAtomic(field.Type) {
			return true
		}
	}
	return false
}

func isMutex(t ast.Expr) bool { return calls(t, "sync", "Mutex", "RWMutex") }

// isAtomic is true for a type of package sync/atomic.
func isAtomic(t ast.Expr) bool {
	if i, ok := t.(*ast.IndexExpr); ok { // atomic.Pointer[T]
		t = i.X
	}
	s, ok := t.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	x, ok := s.X.(*ast.Ident)
	return ok && x.Name == "atomic"
}

// checkStruct goes through the groups of a struct's fields.
func checkStruct(f *file, name string, s *ast.StructType, report reporter) {
	var group []*ast.Field
	check := func() {
		if len(group) == 0 || isMutex(group[0].Type) || group[0].Doc != nil {
			return
		}
		for _, field := range group {
			if fieldName(field) == "_" { // padding, which nobody writes
				continue
			}
			if field.Doc == nil && field.Comment == nil {
				report(f, field.Pos(), "%s, which goroutines share, does not say who writes %s, or under what", name, fieldName(field))
			}
		}
	}
	end := 0
	for _, field := range s.Fields.List {
		first := f.line(field.Pos())
		if field.Doc != nil {
			first = f.line(field.Doc.Pos())
		}
		if end != 0 && first > end+1 {
			check()
			group = nil
		}
		group = append(group, field)
		end = f.line(field.End())
	}
	check()
}

// fieldName is what a field is called; an embedded one by its type.
func fieldName(field *ast.Field) string {
	if len(field.Names) > 0 {
		return field.Names[0].Name
	}
	t := field.Type
	if p, ok := t.(*ast.StarExpr); ok {
		t = p.X
	}
	switch t := t.(type) {
	case *ast.SelectorExpr:
		return t.Sel.Name
	case *ast.Ident:
		return t.Name
	}
	return "an embedded field"
}
