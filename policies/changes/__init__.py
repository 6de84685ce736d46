"""Change requests: edits to documents against one bundle, checked, approved by the people whom that bundle names, published."""
