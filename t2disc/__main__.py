"""``python -m t2disc``."""

from t2disc.cli import main

if __name__ == "__main__":
    main()
