"""What pyproject.toml cannot say: the assets lie beside the package here, and within it where it is installed."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["cotdemo*"]), "cotdemo.assets"],
    package_dir={"cotdemo.assets": "assets"},
    package_data={"": ["*.json", "py.typed"], "cotdemo.ui": ["web/*"], "cotdemo.assets": ["**/*"]},
)
