"""The page. ``cotdemo.ui.page.build_demo`` builds it; nothing here imports torch."""
