"""python -m landcover_bdgf"""

from landcover_bdgf.app import main

if __name__ == "__main__":
    main()
