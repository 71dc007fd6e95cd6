# Studies, part of the Makefile. Each step that is done stays done: the same command continues an
# interrupted study.

.PHONY: study-ferplus study-recognition

STUDIES := runs/studies
# Folder of fer2013new.csv with fer2013.csv, or with the images in data/FER2013Train and so on.
FERPLUS ?= data/FERPlus
FERPLUS_IMAGES := $(if $(wildcard $(FERPLUS)/data/FER2013Train),$(FERPLUS)/data,$(STUDIES)/ferplus/images)

# Loss weightings, then the recipe and its evaluation without and with mirror images: about 3 hours on two cores.
study-ferplus: $(foreach run,weighting on_val on_val_flip,$(STUDIES)/ferplus/$(run)/report.html)

$(STUDIES)/ferplus/weighting/report.html: $(STUDIES)/ferplus/table.done
	$(BIN)/faceml tune --config configs/ferplus_weighting.yaml --set run.folder=$(@D) $(call ferplus,train.data)

$(STUDIES)/ferplus/recipe/report.html: $(STUDIES)/ferplus/table.done
	$(BIN)/faceml train --config configs/ferplus.yaml --set run.folder=$(@D) $(call ferplus,data)

$(STUDIES)/ferplus/on_val%report.html: $(STUDIES)/ferplus/recipe/report.html
	$(BIN)/faceml evaluate --config configs/evaluate.yaml --set model=$(STUDIES)/ferplus/recipe --set run.folder=$(@D) \
		--set data.table=$(STUDIES)/ferplus/table --set data.images=$(FERPLUS_IMAGES) \
		--set data.labels=$(STUDIES)/ferplus/labels.parquet --set data.where.split=val \
		--set 'data.where.expression=[neutral, happy, sad, surprise, fear, disgust, anger, contempt]' \
		--set use_gpu=false --set flip_test=$(if $(findstring flip,$@),true,false)

$(STUDIES)/ferplus/table.done: | install
	$(BIN)/faceml import ferplus $(FERPLUS) $(@D)
	$(BIN)/faceml extract --config $(@D)/extract.yaml --set run.folder=$(@D)/extraction
	touch $@

# Places of the import as settings below a section.
ferplus = $(foreach split,train val,--set $(1).$(split).table=$(STUDIES)/ferplus/table \
	--set $(1).$(split).images=$(FERPLUS_IMAGES) --set $(1).$(split).labels=$(STUDIES)/ferplus/labels.parquet)

PEOPLE := $(STUDIES)/people
# As many as in CASIA-WebFace. After a trial with fewer, remove the folder PEOPLE.
NUM_PEOPLE ?= 10575
NUM_UNSEEN ?= 500
NUM_FACES ?= 16000

study-recognition: $(PEOPLE)/study/report.html

$(PEOPLE)/study/report.html: $(PEOPLE)/tables.done $(PEOPLE)/expression/report.html $(PEOPLE)/multitask/report.html
	$(BIN)/faceml transfer --config configs/people_study.yaml

$(PEOPLE)/tables.done: $(PEOPLE)/faces.done
	$(foreach split,train val,$(BIN)/faceml extract --set data.root=$(PEOPLE)/faces/$(split) \
		--set output.table=$(PEOPLE)/tables/$(split) --set 'output.embed={size: 32, quality: 95, align: true}' &&) touch $@

$(PEOPLE)/faces.done: | install
	rm -rf $(PEOPLE)/faces
	$(BIN)/faceml synth --set layout=identity --set 'splits={train: $(NUM_PEOPLE), val: $(NUM_UNSEEN)}' --set images_per_person=8 \
		--set image_size_px=112 --set output.root=$(PEOPLE)/faces
	touch $@

# Networks to start from, trained on drawn faces of other people: expression alone, and with landmarks.
$(PEOPLE)/expression/report.html $(PEOPLE)/multitask/report.html: $(PEOPLE)/expressions.done
	$(BIN)/faceml train $(foreach split,train val,--set data.$(split).table=$(PEOPLE)/expression_tables/$(split) \
		--set data.$(split).images=$(PEOPLE)/expression_faces/$(split)) --set data.image_size=32 \
		--set model.backbone=resnet18 --set model.weights=none --set scaling.use_gpu=false --set scaling.cpus_per_worker=2 \
		--set training.epochs=8 --set weighting.kind=fixed --set data.loader_processes=0 \
		--set weighting.lambda_landmarks=$(if $(findstring multitask,$@),10.0,0.0) --set run.folder=$(@D)

$(PEOPLE)/expressions.done: | install
	rm -rf $(PEOPLE)/expression_faces
	$(BIN)/faceml synth --set 'splits={train: $(NUM_FACES), val: 1000}' --set image_size_px=112 --set seed=1 \
		--set output.root=$(PEOPLE)/expression_faces
	$(foreach split,train val,$(BIN)/faceml extract --set data.root=$(PEOPLE)/expression_faces/$(split) \
		--set output.table=$(PEOPLE)/expression_tables/$(split) &&) touch $@
