package fine // want `a folder called types`
