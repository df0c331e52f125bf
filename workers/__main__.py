"""`python -m workers`."""

from schema.left_out import leave_out

leave_out()

from workers.main import main  # noqa: E402

if __name__ == "__main__":
    main()
