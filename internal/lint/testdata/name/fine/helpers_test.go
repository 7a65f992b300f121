package fine // want `a file called helpers`
