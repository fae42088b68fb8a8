"""`judge`: saved maps of any model, measured by the statistics of our own models.

files -> masks, arrays -> two_classes or several_classes -> folder -> output_folder
"""
