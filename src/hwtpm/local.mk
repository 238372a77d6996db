# sources of src/hwtpm
