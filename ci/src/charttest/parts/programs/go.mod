module charttest/parts/programs

go 1.24
