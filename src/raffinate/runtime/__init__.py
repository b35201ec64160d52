"""The processes of a running plant: twin, operate, history and web, for now in one."""
