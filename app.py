"""The app as a program, and as a Space: ``python app.py --help``."""

from cotdemo.app import run

if __name__ == "__main__":
    run()
