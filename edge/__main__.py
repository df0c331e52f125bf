"""`python -m edge`."""

from schema.left_out import leave_out

leave_out()

from edge.main import main  # noqa: E402

if __name__ == "__main__":
    main()
