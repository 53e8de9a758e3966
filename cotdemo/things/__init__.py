"""The world of GenEval's eighty things, drawn by this project (it takes the place of ``cotdemo.world``)."""
