"""`judge`: other people's saved maps, measured by the statistics of our own models.

files -> masks, arrays -> folder (one object) or classes (several) -> out
"""
